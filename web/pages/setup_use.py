"""A one-time code is used."""

from typing import Annotated

from fastapi import Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from web.access import let_in, visitor_of
from web.pages._common import address
from web.pages.setup_show import page
from web.services.logins import Entry
from web.site import site_of


async def handle(
    request: Request,
    code: Annotated[str, Form(max_length=200)] = "",
    name: Annotated[str, Form(max_length=200)] = "",
    password: Annotated[str, Form(max_length=2000)] = "",
    again: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """POST /setup."""
    if password != again:
        return await page(request, code, Entry(accepted=False, message="The two passwords differ."), name)
    entry = await site_of(request).people.join(code, name, password, visitor_of(request))
    if not entry.accepted:
        return await page(request, code, entry, name)
    return let_in(request, RedirectResponse(address(request, "overview_show"), status_code=303), entry)
