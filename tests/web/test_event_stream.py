"""The open answer by itself: it ends with its source, and ends its source when the client leaves."""

import asyncio
from collections.abc import AsyncGenerator

from starlette.types import Message

from web.live.response import EventStream

GET = {"type": "http", "method": "GET"}


class Client:
    """One ASGI client that may leave."""

    def __init__(self) -> None:
        self.got: list[Message] = []
        self.some = asyncio.Event()
        self.leave = asyncio.Event()

    async def receive(self) -> Message:
        await self.leave.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.got.append(message)
        self.some.set()

    @property
    def body(self) -> bytes:
        return b"".join(m.get("body", b"") for m in self.got)


class Source:
    """Events, and whether they were ended."""

    def __init__(self, *events: bytes, for_ever: bool = False, fails: bool = False) -> None:
        self.ended = False
        self._events, self._for_ever, self._fails = events, for_ever, fails

    async def __call__(self) -> AsyncGenerator[bytes]:
        try:
            for event in self._events:
                yield event
            if self._fails:
                raise ValueError("broken")
            if self._for_ever:
                await asyncio.Event().wait()
        finally:
            self.ended = True


async def test_an_answer_ends_when_its_events_end():
    client, source = Client(), Source(b"a", b"b")
    await EventStream(source())(GET, client.receive, client.send)
    assert client.body == b"ab"
    assert client.got[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
    assert dict(client.got[0]["headers"])[b"content-type"].startswith(b"text/event-stream")
    assert source.ended


async def test_events_end_when_the_client_leaves():
    client, source = Client(), Source(b"a", for_ever=True)
    answering = asyncio.create_task(EventStream(source())(GET, client.receive, client.send))
    while client.body != b"a":
        client.some.clear()
        await client.some.wait()
    client.leave.set()
    await answering
    assert source.ended


async def test_events_end_when_the_server_cuts_the_answer_off():
    client, source = Client(), Source(b"a", for_ever=True)
    answering = asyncio.create_task(EventStream(source())(GET, client.receive, client.send))
    while client.body != b"a":
        client.some.clear()
        await client.some.wait()
    answering.cancel()
    await asyncio.wait((answering,))
    assert answering.cancelled()
    assert source.ended


async def test_a_fault_of_the_source_is_not_swallowed():
    client, source = Client(), Source(b"a", fails=True)
    answering = asyncio.create_task(EventStream(source())(GET, client.receive, client.send))
    await asyncio.wait((answering,))
    assert isinstance(answering.exception(), ValueError)


async def test_a_head_request_gets_the_head_alone():
    client, source = Client(), Source(b"a", for_ever=True)
    await EventStream(source())({**GET, "method": "HEAD"}, client.receive, client.send)
    assert client.body == b""
    assert client.got[-1]["more_body"] is False
