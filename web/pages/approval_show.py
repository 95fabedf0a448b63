"""One approval: exactly what would be done, why, and who else notices. Looking never decides."""

from starlette.requests import Request
from starlette.responses import Response

from web.errors import PageError
from web.pages._common import frame
from web.site import site_of


async def handle(request: Request, approval: str, link: str = "") -> Response:
    """GET /approvals/{approval}."""
    site = site_of(request)
    found = await site.insights.approval(approval)
    if found is None:
        raise PageError(404, f"There is no approval {approval}.", "It may have been removed after the retention time.")
    engine_down = found.state == "pending" and not await site.engine.alive()
    (question,) = await site.insights.questions([found])
    context = await frame(request, "approvals_list", a=found, q=question, link_id=link[:64], engine_down=engine_down)
    return site.renderer.page(request, "approval.html", context)
