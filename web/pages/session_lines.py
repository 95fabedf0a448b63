"""More lines of a log, before or after a number, as rows."""

from typing import Annotated

from fastapi import Path, Query
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from web.live.cursor import LogKey
from web.logview import rows_html
from web.site import site_of


async def handle(
    request: Request,
    session: str,
    attempt: Annotated[int, Path(ge=1, le=999_999)],
    before: Annotated[int, Query(ge=0)] = 0,
    after: Annotated[int, Query(ge=0)] = 0,
) -> Response:
    """GET /sessions/{session}/{attempt}/lines."""
    site = site_of(request)
    window = await (
        site.insights.earlier(session, attempt, before) if before else site.insights.later(session, attempt, after)
    )
    html = rows_html(site.renderer, request, LogKey(session, attempt), window.lines)
    return HTMLResponse(
        html, headers={"x-first": str(window.first), "x-last": str(window.last), "cache-control": "no-store"}
    )
