"""Somebody logs in."""

from typing import Annotated

from fastapi import Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from web.access import let_in, visitor_of
from web.pages.login_show import back_to, page
from web.site import site_of


async def handle(
    request: Request,
    name: Annotated[str, Form(max_length=200)] = "",
    password: Annotated[str, Form(max_length=2000)] = "",
    next: Annotated[str, Form(max_length=4000)] = "",  # noqa: A002 - the name of the field
) -> Response:
    """POST /login."""
    entry = await site_of(request).logins.login(name, password, visitor_of(request))
    if not entry.accepted:
        return await page(request, next, entry, name)
    return let_in(request, RedirectResponse(back_to(request, next), status_code=303), entry)
