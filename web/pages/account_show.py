"""One's own account: where one is logged in, password, PIN."""

from starlette.requests import Request
from starlette.responses import Response

from web.devices import device
from web.pages._common import frame
from web.site import site_of, who_of


async def handle(request: Request) -> Response:
    """GET /account."""
    site, who = site_of(request), who_of(request)
    assert who is not None  # noqa: S101 - the route names a permission
    person, sessions = await site.people.of(who), await site.logins.sessions(who)
    context = await frame(request, "account_show", person=person, sessions=sessions, device=device)
    return site.renderer.page(request, "account.html", context)
