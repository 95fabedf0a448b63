"""One approval: exactly what would be done, why, and who else notices. Looking never decides."""

from typing import Annotated

from fastapi import Query
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from domain.incident import Approval
from policy.explain import Preview
from web.errors import PageError
from web.pages._common import frame
from web.pages.approval_decide import change_of
from web.site import site_of


async def handle(request: Request, approval: str, link: str = "") -> Response:
    """GET /approvals/{approval}."""
    return await _page(request, await _found(request, approval), link, None)


async def handle_preview(
    request: Request,
    approval: str,
    instead: Annotated[str, Query(max_length=200)] = "",
    stop_wait_s: Annotated[str, Query(max_length=8)] = "",
    link: Annotated[str, Query(max_length=64)] = "",
    reason: Annotated[str, Query(max_length=500)] = "",
) -> Response:
    """GET /approvals/{approval}/preview: what another action would be. htmx gets that alone, in its place."""
    found = await _found(request, approval)
    if found.state != "pending":
        return await _page(request, found, link, None)
    preview = await site_of(request).insights.preview(found, change_of(instead, stop_wait_s))
    if request.headers.get("hx-request") != "true":
        return await _page(request, found, link, preview, instead, stop_wait_s, reason)
    html = site_of(request).renderer.fragment(request, "_change_preview.html", {"preview": preview})
    return HTMLResponse(html, headers={"cache-control": "no-store"})


async def _found(request: Request, approval: str) -> Approval:
    found = await site_of(request).insights.approval(approval)
    if found is None:
        raise PageError(404, f"There is no approval {approval}.", "It may have been removed after the retention time.")
    return found


async def _page(
    request: Request,
    found: Approval,
    link: str,
    preview: Preview | None,
    instead: str = "",
    stop_wait_s: str = "",
    reason: str = "",
) -> Response:
    site = site_of(request)
    engine_down = found.state == "pending" and not await site.engine.alive()
    (question,) = await site.insights.questions([found])
    context = await frame(
        request,
        "approvals_list",
        a=found,
        q=question,
        link_id=link[:64],
        engine_down=engine_down,
        preview=preview,
        chosen=instead,
        chosen_wait=stop_wait_s,
        reason=reason,
    )
    return site.renderer.page(request, "approval.html", context)
