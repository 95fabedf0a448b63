"""What may still be done to each service, who used the slots, and what was refused."""

from starlette.requests import Request
from starlette.responses import Response

from web.pages._common import frame
from web.site import site_of


async def handle(request: Request) -> Response:
    """GET /cooldowns."""
    site = site_of(request)
    rows, untouched = await site.insights.cooldowns()
    context = await frame(request, "cooldowns_list", "ledger", "action", rows=rows, untouched=untouched)
    return site.renderer.page(request, "cooldowns.html", context)
