"""Change a role, disable, enable, make a link for a new password, sign out."""

from typing import Annotated, Literal

from fastapi import Form
from starlette.requests import Request
from starlette.responses import Response

from domain.people import Role
from web.errors import PageError
from web.pages._common import address
from web.pages._told import Undo, told
from web.services.tokens import setup_link
from web.site import actor_of, site_of


async def handle(
    request: Request,
    name: str,
    act: Literal["role", "disable", "enable", "reset", "sign-out"],
    role: Annotated[Role | None, Form()] = None,
    session: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    """POST /users/{name}/{act}."""
    site, actor = site_of(request), actor_of(request)
    back = address(request, "users_list")
    if act == "reset":
        said = await site.people.reset(name, actor)
        link = setup_link(site.settings, said.secret) if said.secret else ""
        return told(request, said, back, secret=link, label="Give this link to them")
    if act == "sign-out":
        return told(request, await site.people.sign_out(name, session, actor), back)
    if act == "role":
        return await _role(request, name, role, back)
    said = await site.people.disable(name, actor, on=act == "disable")
    other = "enable" if act == "disable" else "disable"
    return told(request, said, back, undo=Undo("Undo", address(request, "user_act", name=name, act=other)))


async def _role(request: Request, name: str, role: Role | None, back: str) -> Response:
    if role is None:
        raise PageError(422, "It is not said which role.", "Use the buttons of the page.")
    site = site_of(request)
    before = await site.people.named(name)
    said = await site.people.change_role(name, role, actor_of(request))
    action = address(request, "user_act", name=name, act="role")
    undo = Undo(f"Undo: {before.role} again", action, (("role", str(before.role)),)) if before else None
    return told(request, said, back, undo=undo)
