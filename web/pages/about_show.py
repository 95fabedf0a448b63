"""What is served here and under which licences."""

from starlette.requests import Request
from starlette.responses import Response

from web.pages._common import frame
from web.site import site_of


async def handle(request: Request) -> Response:
    """GET /about."""
    return site_of(request).renderer.page(request, "about.html", await frame(request, "", live=False))
