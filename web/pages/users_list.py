"""Who may log in."""

from starlette.requests import Request
from starlette.responses import Response

from domain.people import Role
from web.pages._common import frame
from web.site import site_of


async def handle(request: Request) -> Response:
    """GET /users."""
    site = site_of(request)
    context = await frame(request, "users_list", rows=await site.people.list(), roles=[str(r) for r in Role])
    return site.renderer.page(request, "users.html", context)
