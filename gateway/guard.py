"""Stands before the HTTP server of a door: counts connections, ends silent ones, knows what is meant for elsewhere."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

from aiohttp import web

from gateway.bounds import DoorBounds
from gateway.session import HELD, SESSION, STOPPED

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_UNDECIDED = 24  # bytes; no method is longer


class Connections:
    """All connections of one door, those to elsewhere too."""

    def __init__(
        self, bounds: DoorBounds, http: Callable[[], asyncio.Protocol], elsewhere: Callable[[], asyncio.Protocol]
    ) -> None:
        self.bounds = bounds
        self.http = http
        self.elsewhere = elsewhere
        self.transports: set[asyncio.Transport] = set()

    def enter(self, transport: asyncio.Transport) -> bool:
        """Let it in, or end it."""
        if not self.bounds.connect():
            transport.abort()
            return False
        self.transports.add(transport)
        return True

    def leave(self, transport: asyncio.Transport) -> None:
        """It is gone. Safe to repeat."""
        if transport in self.transports:
            self.transports.discard(transport)
            self.bounds.disconnect()

    def abort(self) -> None:
        """End all of them."""
        for transport in tuple(self.transports):
            transport.abort()


class Guard(asyncio.Protocol):
    """One connection."""

    def __init__(self, connections: Connections) -> None:
        self._all = connections
        self._loop = asyncio.get_running_loop()
        self._inner: asyncio.Protocol | None = None
        self._begun = b""
        self._busy = 0
        self._reading = False
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it."""
        self._transport = cast("asyncio.Transport", transport)
        if self._all.enter(self._transport):
            self._wait(self._all.bounds.limits.idle_s)

    def data_received(self, data: bytes) -> None:
        """Give it to the HTTP server, once it is clear that it is for it."""
        if not self._busy and not self._reading:
            self._reading = True
            self._wait(self._all.bounds.limits.head_s)
        if self._inner is not None:
            self._inner.data_received(data)
            return
        self._begun += data
        elsewhere = leads_elsewhere(self._begun)
        if elsewhere is None:
            return
        if elsewhere:
            self._busy += 1  # it has time limits of its own
            self._stop_waiting()
        self._inner = self._all.elsewhere() if elsewhere else self._all.http()
        self._inner.connection_made(self._transport)
        self._inner.data_received(self._begun)
        self._begun = b""

    def eof_received(self) -> bool | None:
        """The client says no more."""
        return self._inner.eof_received() if self._inner is not None else None

    def pause_writing(self) -> None:
        """The client reads too slowly."""
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        """The client reads again."""
        if self._inner is not None:
            self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._stop_waiting()
        self._all.leave(self._transport)
        if self._inner is not None:
            self._inner.connection_lost(exc)

    def began(self) -> None:
        """All headers of a request are here."""
        self._busy += 1
        self._reading = False
        self._stop_waiting()

    def ended(self) -> None:
        """The answer is written."""
        self._busy -= 1
        if not self._transport.is_closing():
            self._wait(self._all.bounds.limits.idle_s)

    def _wait(self, seconds: float) -> None:
        self._stop_waiting()
        self._timer = self._loop.call_later(seconds, self._transport.abort)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def leads_elsewhere(begun: bytes) -> bool | None:
    """Whether the request line is one for a proxy. None where more bytes are needed to tell."""
    method, space, target = begun.lstrip(b"\r\n")[: _UNDECIDED + 8].partition(b" ")
    if not space:
        return None if len(begun) < _UNDECIDED else False
    if method.upper() == b"CONNECT":
        return True
    if len(target) < 7 and b"http://".startswith(target[:7].lower()):
        return None
    return target[:7].lower() == b"http://" or target[:8].lower() == b"https://"


@web.middleware
async def bounded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuses what is over the door's limits, before anything is read of it."""
    bounds = request.config_dict[SESSION].bounds
    guard = request.transport.get_protocol() if request.transport is not None else None
    if isinstance(guard, Guard):
        guard.began()
    try:
        session = request.config_dict[SESSION]
        # Not every request has a body: addresses and headers carry as well.
        told = f"{request.path_qs}\n{request.headers}".encode("utf-8", "replace")
        if session.watch("an address or a header", told):
            raise web.HTTPForbidden(text=STOPPED)
        refusal = bounds.begin()
        if refusal:
            body = {"type": "error", "error": {"type": "rate_limit_error", "message": f"gateway: {refusal}"}}
            return web.json_response(body, status=429, headers={"Connection": "close"})
        request[HELD] = 0
        try:
            return await handler(request)
        finally:
            bounds.end(request[HELD])
    finally:
        if isinstance(guard, Guard):
            guard.ended()
