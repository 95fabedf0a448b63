"""Time zone, looks of a log, keyboard shortcuts: whatever of them the form names."""

from typing import Annotated, Literal

from fastapi import Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from web.pages._common import safe_back
from web.preferences import LOG_LOOKS, known_zone, remember
from web.security import is_secure
from web.site import site_of


async def handle(
    request: Request,
    zone: Annotated[Literal["", "server", "utc", "browser"], Form()] = "",
    browser_zone: Annotated[str, Form(max_length=64)] = "",
    log: Annotated[list[Literal["", "wrap", "newest", "stamps"]] | None, Form()] = None,
    keys: Annotated[Literal["", "on", "off"], Form()] = "",
    back: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    """POST /preferences. `log` names every look that is wanted; one empty value among them means none."""
    response = RedirectResponse(safe_back(request, back), status_code=303)
    secure = is_secure(site_of(request).settings.public_url)
    if zone:
        name = browser_zone if zone == "browser" and known_zone(browser_zone) else ""
        remember(request, response, "zone", f"{zone}:{name}" if name else zone, secure=secure)
    if log is not None:
        remember(request, response, "log", "-".join(w for w in LOG_LOOKS if w in log), secure=secure)
    if keys:
        remember(request, response, "keys", keys, secure=secure)
    return response
