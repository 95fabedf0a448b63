"""More lines of a log, before or after a number, as rows."""

from typing import Annotated

from fastapi import Path, Query
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from web.live.cursor import LogKey
from web.logview import rows_html
from web.pages._log import asked_of, reader
from web.services import log_search
from web.site import site_of


async def handle(
    request: Request,
    session: str,
    attempt: Annotated[int, Path(ge=1, le=999_999)],
    before: Annotated[int, Query(ge=0)] = 0,
    after: Annotated[int, Query(ge=0)] = 0,
) -> Response:
    """GET /sessions/{session}/{attempt}/lines.

    `x-first` and `x-last` are the lines looked at, `x-lines` says how many came.
    """
    site = site_of(request)
    wanted = asked_of(request).wanted
    if wanted:
        read = reader(site, session, attempt)
        found = await (log_search.backward(read, wanted, before) if before else log_search.forward(read, wanted, after))
        first, last, lines = found.first, found.last, found.lines
    else:
        window = await (
            site.insights.earlier(session, attempt, before) if before else site.insights.later(session, attempt, after)
        )
        first, last, lines = window.first, window.last, window.lines
    html = rows_html(site.renderer, request, LogKey(session, attempt), lines)
    headers = {"x-first": str(first), "x-last": str(last), "x-lines": str(len(lines)), "cache-control": "no-store"}
    return HTMLResponse(html, headers=headers)
