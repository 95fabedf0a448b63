"""Where other machines come in: an address, TLS, and one line that says who it is. Behind it lie the same doors.

A connection begins as to a proxy: `CONNECT door` with a session's token, or `CONNECT admin` with the secret of our own
machines. From then on it is what a connection to a session's socket, or to the admin socket, is. So nothing behind a
door ever sees the token: it could not be logged, passed on or forgotten in a header. Whoever says anything else gets
one and the same answer, late.
"""

import asyncio
import re
import ssl
from collections import Counter
from collections.abc import Callable
from typing import cast

import structlog

from domain.base import Value
from gateway.guard import Connections, Guard
from gateway.remote.guesses import EntranceBook

log = structlog.get_logger("gateway.entrance")

MAX_HEAD = 4 << 10
_CONNECT = re.compile(rb"CONNECT (door|admin)(?::\d{1,5})? HTTP/1\.1")
_BEARER = re.compile(rb"proxy-authorization:[ \t]*bearer[ \t]+([\x21-\x7e]+)[ \t]*", re.IGNORECASE)
WELCOME = b"HTTP/1.1 200 Connection established\r\n\r\n"
REFUSED = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class EntranceLimits(Value):
    """Bounds for those of whom nothing is known yet."""

    at_once: int = 128  # connections, over all addresses
    per_address: int = 32
    head_s: float = 10.0  # for TLS, and for the line after it
    slow_s: float = 1.0  # before a wrong token is answered


class Strangers:
    """Counts connections that have not yet shown who they are."""

    def __init__(self, limits: EntranceLimits) -> None:
        self.limits = limits
        self._of: Counter[str] = Counter()

    def enter(self, address: str) -> bool:
        """One more, if there is room."""
        if self._of.total() >= self.limits.at_once or self._of[address] >= self.limits.per_address:
            return False
        self._of[address] += 1
        return True

    def leave(self, address: str) -> None:
        """It is known now, or gone."""
        self._of[address] -= 1
        if self._of[address] <= 0:
            del self._of[address]


class Entrance:
    """Listens, and hands every connection to what it may reach."""

    def __init__(
        self,
        door: Callable[[str], Connections | None],
        admin: Callable[[str], asyncio.Protocol | None],
        book: EntranceBook,
        tls: ssl.SSLContext | None,
        limits: EntranceLimits | None = None,
    ) -> None:
        """`door` and `admin` give what lies behind a token or a secret, or None."""
        self.door, self.admin, self.book, self.tls = door, admin, book, tls
        self.limits = limits or EntranceLimits()
        self.strangers = Strangers(self.limits)
        self._server: asyncio.Server | None = None

    async def open(self, host: str, port: int) -> None:
        """Listen. Raises OSError."""
        self._server = await asyncio.get_running_loop().create_server(lambda: Stranger(self), host, port, backlog=128)

    def close(self) -> None:
        """Let nobody in any more. Whoever is in stays."""
        if self._server is not None:
            self._server.close()
        self.book.flush()


class Stranger(asyncio.Protocol):
    """One connection until it has shown who it is."""

    def __init__(self, entrance: Entrance) -> None:
        self._entrance = entrance
        self._loop = asyncio.get_running_loop()
        self._address = ""
        self._head = b""
        self._judged = False
        self._counted = False
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport
        self._greeting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it before anything is computed for it."""
        self._transport = cast("asyncio.Transport", transport)
        peer = self._transport.get_extra_info("peername")
        self._address = str(peer[0]) if peer else "?"
        if not self._entrance.strangers.enter(self._address):
            self._transport.abort()
            return
        self._counted = True
        self._timer = self._loop.call_later(self._entrance.limits.head_s, self._too_late)
        if self._entrance.tls is not None:
            self._transport.pause_reading()
            self._greeting = self._loop.create_task(self._greet(self._entrance.tls))

    async def _greet(self, tls: ssl.SSLContext) -> None:
        """TLS. What fails here has said nothing yet, so it is no guess."""
        plain = self._transport
        try:
            upgraded = await self._loop.start_tls(
                plain, self, tls, server_side=True, ssl_handshake_timeout=self._entrance.limits.head_s
            )
        except (OSError, asyncio.CancelledError):
            plain.abort()
            self._leave()
            return
        if upgraded is None or upgraded.is_closing():
            plain.abort()
            self._leave()
            return
        self._transport = upgraded

    def data_received(self, data: bytes) -> None:
        """Collect the head."""
        if self._judged:
            return
        self._head += data
        if b"\r\n\r\n" not in self._head and len(self._head) <= MAX_HEAD:
            return
        self._judged = True
        if self._greeting is not None and not self._greeting.done():
            # TLS and head came with the same bytes: the transport to answer on is known a moment later.
            self._greeting.add_done_callback(lambda _: self._judge())
        else:
            self._judge()

    def eof_received(self) -> bool | None:
        """It says no more."""
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        if self._head and not self._judged:
            self._entrance.book.note(self._address)
        self._leave()

    def _judge(self) -> None:
        if self._transport.is_closing():
            return
        head, _, rest = self._head.partition(b"\r\n\r\n")
        where, secret = read_head(head)
        found: Connections | asyncio.Protocol | None = None
        if where == "door":
            found = self._entrance.door(secret)
        elif where == "admin":
            found = self._entrance.admin(secret)
        if found is None:
            self._entrance.book.note(self._address)
            self._again(self._entrance.limits.slow_s, self._refuse)
            return
        self._leave()
        self._transport.write(WELCOME)
        inner = Guard(found) if isinstance(found, Connections) else found
        self._transport.set_protocol(inner)
        inner.connection_made(self._transport)
        if rest and not self._transport.is_closing():
            inner.data_received(rest)

    def _refuse(self) -> None:
        self._transport.write(REFUSED)
        self._transport.close()
        self._again(self._entrance.limits.head_s, self._transport.abort)

    def _too_late(self) -> None:
        if self._head:
            self._entrance.book.note(self._address)
            self._judged = True
        self._transport.abort()

    def _again(self, seconds: float, what: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, what)

    def _leave(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._counted:
            self._counted = False
            self._entrance.strangers.leave(self._address)


def read_head(head: bytes) -> tuple[str, str]:
    """What is asked for, `door` or `admin`, and the token or secret shown for it; empty where it is anything else."""
    first, *lines = head.split(b"\r\n")
    asked = _CONNECT.fullmatch(first)
    shown = [found.group(1) for line in lines if (found := _BEARER.fullmatch(line))]
    if asked is None or len(shown) != 1 or len(head) > MAX_HEAD:
        return "", ""
    return asked.group(1).decode(), shown[0].decode()
