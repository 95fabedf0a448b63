"""All watched services, worst first, with their last 24 hours."""

from starlette.requests import Request
from starlette.responses import Response

from web.pages._common import frame
from web.site import site_of


async def handle(request: Request, state: str = "", q: str = "") -> Response:
    """GET /services."""
    site = site_of(request)
    rows, more = await site.insights.services(state, q)
    context = await frame(
        request, "services_list", "health", "inventory", "incident", rows=rows, more=more, state=state, q=q
    )
    return site.renderer.page(request, "services.html", context)
