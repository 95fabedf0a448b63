"""One log as events of single lines, for programs: `id:` is the line's number, resume with Last-Event-ID."""

import json
from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import Path, Query
from starlette.requests import Request
from starlette.responses import Response

from web.access import leave_of
from web.live.cursor import LogKey
from web.live.response import EventStream
from web.live.stream import Leave, woken
from web.site import Site, site_of


async def handle(
    request: Request,
    session: str,
    attempt: Annotated[int, Path(ge=1, le=999_999)],
    after: Annotated[int, Query(ge=0)] = 0,
) -> Response:
    """GET /sessions/{session}/{attempt}/stream."""
    seen = request.headers.get("last-event-id", "")
    begin = int(seen) if seen.isdecimal() and len(seen) < 16 else after
    return EventStream(_lines(site_of(request), LogKey(session, attempt), begin, leave_of(request)))


async def _lines(site: Site, key: LogKey, place: int, leave: Leave) -> AsyncGenerator[bytes]:
    hub = site.hub
    subscription = hub.subscribe((), (key,), leave.person)
    try:
        while not hub.closing.is_set():
            subscription.begin()
            if await leave.ended(subscription):
                return
            lines = await hub.feed(key).after(place)
            for line in lines:
                place = line.seq
                body = {"seq": line.seq, "at": line.at.isoformat(), "stream": line.stream, "text": line.text}
                # JSON holds no line break, so whatever a session wrote cannot end the field or begin another.
                yield f"id: {line.seq}\r\nevent: line\r\ndata: {json.dumps(body, ensure_ascii=False)}\r\n\r\n".encode()
            if not lines and not await woken(subscription):
                yield b": still here\r\n\r\n"
    finally:
        hub.unsubscribe(subscription)
