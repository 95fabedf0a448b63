"""The events of one stream: changes, log lines and a heartbeat that the page measures its connection by."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from domain.session import OutputLine
from web.live import cursor
from web.live.cursor import Cursors, LogKey
from web.live.hub import Hub, Subscription

PING_S = 4.0  # a page that hears nothing for ten seconds begins to poll
COALESCE_S = 0.05  # a burst of changes becomes one event

LOOK_AGAIN_S = 60.0  # so long a stream may outlive its session's own end

RenderRows = Callable[[LogKey, Sequence[OutputLine]], str]


async def _always() -> bool:
    return True


@dataclass
class Leave:
    """Whether a stream may go on: asked when its person's sessions change, and once a minute."""

    person: str = ""
    still: Callable[[], Awaitable[bool]] = _always
    _asked: float = field(default_factory=time.monotonic)

    async def ended(self, subscription: Subscription) -> bool:
        """True where the listener is signed out by now."""
        if not subscription.doubted and time.monotonic() - self._asked < LOOK_AGAIN_S:
            return False
        subscription.doubted = False
        self._asked = time.monotonic()
        return not await self.still()


async def events(
    hub: Hub, topics: frozenset[str], cursors: Cursors, render: RenderRows, zone: str = "", leave: Leave | None = None
) -> AsyncGenerator[bytes]:
    """Yield until the client leaves or the process closes. Every event's id is the exact place reached.

    `zone` names the time zone that `render` writes: lines are rendered once for all streams that share it.
    """
    leave = leave or Leave()
    subscription = hub.subscribe(topics, cursors, leave.person)
    place = dict(cursors)
    try:
        yield _event("hello", {"topics": sorted(topics), "count": hub.count}, place)
        while not hub.closing.is_set():
            subscription.begin()
            if await leave.ended(subscription):
                yield _event("signed-out", {}, place)
                return
            changed = subscription.take()
            if changed:
                yield _event("change", {"topics": sorted(changed), "count": hub.count}, place)
            more = False
            for key in subscription.logs:
                feed = hub.feed(key)
                lines = await feed.after(place[key])
                if lines:
                    more = True
                    place[key] = lines[-1].seq
                    data = feed.once(lines, zone, lambda key=key, lines=lines: _batch(key, lines, render))
                    yield _framed(b"log", data, place)
            if not more and not await woken(subscription):
                yield _event("ping", {}, place)
        yield _event("closing", {}, place)
    finally:
        hub.unsubscribe(subscription)


def _batch(key: LogKey, lines: Sequence[OutputLine], render: RenderRows) -> bytes:
    batch = {"log": str(key), "first": lines[0].seq, "last": lines[-1].seq, "html": render(key, lines)}
    return json.dumps(batch, ensure_ascii=False).encode()


async def woken(subscription: Subscription) -> bool:
    """Wait for something new; False where the time of a heartbeat passed without."""
    # A timer that sets the same event: `wait_for` would make a task, `timeout` a context, per reader and event.
    quiet = asyncio.get_running_loop().call_later(PING_S, subscription.wake.set)
    await subscription.wake.wait()
    quiet.cancel()
    if not subscription.told:
        return False
    if subscription.changed:
        await asyncio.sleep(COALESCE_S)
    return True


def _event(name: str, data: dict[str, object], place: Cursors) -> bytes:
    return _framed(name.encode(), json.dumps(data, ensure_ascii=False).encode(), place)


def _framed(name: bytes, data: bytes, place: Cursors) -> bytes:
    """One event. JSON holds no line break, so whatever a session wrote cannot end the field or begin another."""
    number = b"id: " + cursor.write(place).encode() + b"\r\n" if place else b""
    return number + b"event: " + name + b"\r\ndata: " + data + b"\r\n\r\n"
