"""A whole log, what a filter lets through, or one line, as plain text. Streamed: there is no line limit."""

import asyncio
from collections.abc import AsyncIterator
from datetime import tzinfo
from typing import Annotated

from fastapi import Path, Query
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from domain.session import OutputLine
from web.errors import PageError
from web.logview import plain
from web.logwords import LogFilter
from web.pages._log import asked_of
from web.preferences import export_zone
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
    wanted, zone = asked_of(request).wanted, export_zone(request, site.renderer.zone)
    found = await site.insights.session(session, attempt)
    if found is None:
        raise PageError(404, "There is no such session.")
    if line:
        lines = await site.insights.lines_after(session, attempt, line - 1, 1)
        return PlainTextResponse(plain(lines[0], zone) if lines else "")
    part = "-filtered" if wanted else ""
    headers = {
        "content-disposition": f'attachment; filename="tiercel-{found.incident}-tier{found.tier}-{attempt}{part}.txt"',
        "cache-control": "no-store",
    }
    rows = _all(site, session, attempt, wanted, zone)
    return StreamingResponse(rows, media_type="text/plain; charset=utf-8", headers=headers)


async def _all(site: Site, session: str, attempt: int, wanted: LogFilter, zone: tzinfo) -> AsyncIterator[str]:
    after = 0
    while lines := await site.insights.lines_after(session, attempt, after, PAGE):
        # In a thread: other pages go on while a long log is written out.
        yield await asyncio.to_thread(_text, lines, wanted, zone)
        after = lines[-1].seq


def _text(lines: tuple[OutputLine, ...], wanted: LogFilter, zone: tzinfo) -> str:
    return "".join(plain(line, zone) + "\n" for line in lines if not wanted or wanted.lets(line))
