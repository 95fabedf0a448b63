"""Change one's password, set or remove the PIN. Both need the password of now."""

from typing import Annotated

from fastapi import Form
from starlette.requests import Request
from starlette.responses import Response

from web.access import visitor_of
from web.errors import PageError
from web.pages._common import address
from web.pages._told import told
from web.services.logins import Entry
from web.services.people import Said
from web.site import site_of

Secret = Annotated[str, Form(max_length=2000)]


async def handle_password(request: Request, old: Secret, new: Secret, again: Secret) -> Response:
    """POST /account/password."""
    if new != again:
        raise PageError(422, "The two new passwords differ.")
    people = site_of(request).people
    return _told(request, await people.change_password(request.state.who, old, new, visitor_of(request)))


async def handle_pin(request: Request, old: Secret, pin: Secret = "") -> Response:
    """POST /account/pin."""
    people = site_of(request).people
    return _told(request, await people.set_pin(request.state.who, old, pin.strip(), visitor_of(request)))


def _told(request: Request, entry: Entry) -> Response:
    if not entry.accepted:
        raise PageError(429 if entry.wait_s else 422, entry.message)
    return told(request, Said(accepted=True, message=entry.message), address(request, "account_show"))
