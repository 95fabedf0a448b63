"""One log as events of single lines, for programs: `id:` is the line's number, resume with Last-Event-ID."""

import json
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Path, Query
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import Response

from web.live.cursor import LogKey
from web.live.stream import GOODBYE_S, PING_S, woken
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
    return EventSourceResponse(
        _lines(site_of(request), LogKey(session, attempt), begin), ping=int(PING_S), shutdown_grace_period=GOODBYE_S
    )


async def _lines(site: Site, key: LogKey, place: int) -> AsyncIterator[ServerSentEvent]:
    hub = site.hub
    subscription = hub.subscribe((), (key,))
    try:
        while not hub.closing.is_set():
            subscription.wake.clear()
            lines = await hub.feed(key).after(place)
            for line in lines:
                place = line.seq
                body = {"seq": line.seq, "at": line.at.isoformat(), "stream": line.stream, "text": line.text}
                yield ServerSentEvent(data=json.dumps(body, ensure_ascii=False), id=str(line.seq), event="line")
            if not lines:
                await woken(subscription)
    finally:
        hub.unsubscribe(subscription)
