"""Somebody logs out, here."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from web.access import let_out, visitor_of
from web.pages._common import address
from web.site import site_of


async def handle(request: Request) -> Response:
    """POST /logout."""
    await site_of(request).logins.logout(request.state.who, visitor_of(request))
    return let_out(request, RedirectResponse(address(request, "login_show"), status_code=303))
