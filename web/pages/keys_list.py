"""Keys for programs: one's own, and everybody's for who manages people."""

from starlette.requests import Request
from starlette.responses import Response

from domain.people import Permission
from policy import people as policy
from web.pages._common import frame
from web.site import site_of, who_of


async def handle(request: Request) -> Response:
    """GET /keys."""
    site, who = site_of(request), who_of(request)
    assert who is not None  # noqa: S101 - the route names a permission
    everybody = not policy.refusal(who, Permission.PEOPLE)
    rows = await site.people.keys("" if everybody else who.person)
    scopes = [str(s) for s in policy.scopes_within(who.role)]
    return site.renderer.page(request, "keys.html", await frame(request, "keys_list", rows=rows, scopes=scopes))
