"""Sign out another browser, all others, or every one."""

from typing import Annotated

from fastapi import Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from web.access import let_out, visitor_of
from web.pages._common import address
from web.pages._told import told
from web.services.people import Said
from web.site import site_of


async def handle(request: Request, session: Annotated[str, Form(max_length=100)]) -> Response:
    """POST /account/sign-out. `session` is `all`, `others` or the stored id of one."""
    logins, who, visitor = site_of(request).logins, request.state.who, visitor_of(request)
    if session == "all":
        await logins.sign_out_everywhere(who, visitor, here_too=True)
        return let_out(request, RedirectResponse(address(request, "login_show"), status_code=303))
    if session == "others":
        ended = await logins.sign_out_everywhere(who, visitor, here_too=False)
        said = Said(accepted=True, message=f"Signed out everywhere else: {ended}.")
    else:
        await logins.end_session(who, session, visitor)
        said = Said(accepted=True, message="That browser is signed out.")
    return told(request, said, address(request, "account_show"))
