"""Invite somebody; the link for their password is shown once."""

from typing import Annotated

from fastapi import Form
from starlette.requests import Request
from starlette.responses import Response

from domain.people import Role
from web.pages._common import address
from web.pages._told import told
from web.services.tokens import setup_link
from web.site import actor_of, site_of


async def handle(
    request: Request,
    name: Annotated[str, Form(max_length=200)],
    role: Annotated[Role, Form()] = Role.VIEWER,
) -> Response:
    """POST /users."""
    site = site_of(request)
    said = await site.people.add(name, role, actor_of(request))
    link = setup_link(site.settings, said.secret) if said.secret else ""
    return told(request, said, address(request, "users_list"), secret=link, label="Give this link to them")
