"""Light, dark, or as the system says; kept in a cookie so that the first paint is right."""

from typing import Annotated, Literal

from fastapi import Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from web.pages._common import address
from web.site import site_of

A_YEAR = 365 * 24 * 3600


async def handle(
    request: Request,
    theme: Annotated[Literal["auto", "light", "dark"], Form()],
    back: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    """POST /theme."""
    safe = back if back.startswith("/") and not back.startswith(("//", "/\\")) else address(request, "overview_show")
    response = RedirectResponse(safe, status_code=303)
    secure = site_of(request).settings.public_url.startswith("https://")
    response.set_cookie(
        "theme",
        theme,
        max_age=A_YEAR,
        samesite="lax",
        httponly=True,
        secure=secure,
        path=str(request.scope.get("root_path", "")) or "/",
    )
    return response
