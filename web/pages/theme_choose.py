"""Light, dark, or as the system says; kept in a cookie so that the first paint is right."""

from typing import Annotated, Literal

from fastapi import Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from web.pages._common import safe_back
from web.preferences import remember
from web.security import is_secure
from web.site import site_of


async def handle(
    request: Request,
    theme: Annotated[Literal["auto", "light", "dark"], Form()],
    back: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    """POST /theme."""
    response = RedirectResponse(safe_back(request, back), status_code=303)
    remember(request, response, "theme", theme, secure=is_secure(site_of(request).settings.public_url))
    return response
