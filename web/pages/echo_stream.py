"""Our own answer to ourselves, for the test of the public address."""

from starlette.requests import Request
from starlette.responses import Response

from web.errors import PageError
from web.live.response import EventStream
from web.site import site_of


async def handle(request: Request, name: str) -> Response:
    """GET /echo/{name}. Says two words to whoever knows a name that is good for one test."""
    words = site_of(request).examinations.echo.stream(name)
    if words is None:
        raise PageError(404, "", "")
    return EventStream(words)
