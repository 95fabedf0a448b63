"""A whole log, or one line of it, as plain text. Streamed: there is no line limit."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Path, Query
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from web.errors import PageError
from web.logview import plain
from web.site import Site, site_of

PAGE = 1000


async def handle(
    request: Request,
    session: str,
    attempt: Annotated[int, Path(ge=1, le=999_999)],
    line: Annotated[int, Query(ge=0)] = 0,
) -> Response:
    """GET /sessions/{session}/{attempt}.txt."""
    site = site_of(request)
    found = await site.insights.session(session, attempt)
    if found is None:
        raise PageError(404, "There is no such session.")
    if line:
        lines = await site.insights.lines_after(session, attempt, line - 1, 1)
        return PlainTextResponse(plain(lines[0]) if lines else "")
    headers = {
        "content-disposition": f'attachment; filename="tiercel-{found.incident}-tier{found.tier}-{attempt}.txt"',
        "cache-control": "no-store",
    }
    return StreamingResponse(_all(site, session, attempt), media_type="text/plain; charset=utf-8", headers=headers)


async def _all(site: Site, session: str, attempt: int) -> AsyncIterator[str]:
    after = 0
    while lines := await site.insights.lines_after(session, attempt, after, PAGE):
        yield "".join(plain(line) + "\n" for line in lines)
        after = lines[-1].seq
