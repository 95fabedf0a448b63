"""An answer that stays open: events are written as they come, until they end or the client leaves."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from starlette.responses import Response
from starlette.types import Receive, Scope, Send


class EventStream(Response):
    """Server-sent events of `content`, which is ended (`aclose`) whichever side stops first.

    As little as possible lies between an event and the socket: one line goes to hundreds of streams at once.
    """

    def __init__(self, content: AsyncGenerator[bytes]) -> None:
        self.content = content
        self.status_code = 200
        self.media_type = "text/event-stream"
        self.background = None
        # The last one asks a proxy to pass on what it gets, at once.
        self.init_headers({"cache-control": "no-store", "connection": "keep-alive", "x-accel-buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """HEAD gets the head alone: a stream that nobody reads would never end."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if scope["method"] == "HEAD":
            await self.content.aclose()
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        writing = asyncio.ensure_future(self._write(send))
        leaving = asyncio.ensure_future(_left(receive))
        try:
            await asyncio.wait((writing, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended = writing.done()
            for task in (writing, leaving):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    if task is leaving or not ended:
                        await task
        if ended:
            writing.result()

    async def _write(self, send: Send) -> None:
        async with aclosing(self.content) as events:
            async for event in events:
                await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
