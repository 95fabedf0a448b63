"""Make a key of one's own; it is shown once."""

from typing import Annotated

from fastapi import Form
from starlette.requests import Request
from starlette.responses import Response

from domain.people import Scope
from web.access import ask_password
from web.pages._common import address
from web.pages._told import told
from web.site import actor_of, site_of, who_of


async def handle(
    request: Request,
    name: Annotated[str, Form(max_length=200)],
    scope: Annotated[Scope, Form()] = Scope.READ,
    days: Annotated[int, Form(ge=0, le=3650)] = 90,
    networks: Annotated[str, Form(max_length=300)] = "",
) -> Response:
    """POST /keys."""
    await ask_password(request)
    who = who_of(request)
    assert who is not None  # noqa: S101 - the route names a permission
    said = await site_of(request).people.add_key(who.person, name, scope, days, networks, actor_of(request))
    return told(request, said, address(request, "keys_list"), secret=said.secret, label="The key; copy it now")
