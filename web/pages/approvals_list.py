"""What waits for a person, and what was answered lately."""

from starlette.requests import Request
from starlette.responses import Response

from web.pages._common import frame
from web.site import site_of


async def handle(request: Request) -> Response:
    """GET /approvals."""
    site = site_of(request)
    pending, decided = await site.insights.approvals()
    engine_down = bool(pending) and not await site.engine.alive()
    context = await frame(
        request,
        "approvals_list",
        pending=await site.insights.questions(pending),
        decided=decided,
        engine_down=engine_down,
    )
    return site.renderer.page(request, "approvals.html", context)
