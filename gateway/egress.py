"""A session's way to the outside: a proxy that knows whose it is, and leads to the names on its list only.

Name first, then address, then connection: a name that is not on the list is not even asked for, and what it was found
to be is connected to without asking again. TLS stays between the two ends; only the name in its first message is read.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import lru_cache

import structlog

from domain.errors import ConfigurationError, TransientError
from gateway.carrier import Carrier, Way
from gateway.hello import MAX_HELLO, UNRECOGNIZED_NAME, read_hello
from gateway.proxy_request import MAX_HEAD, Wanted, read_request
from gateway.session import Session
from policy.addresses import Place, declared_places, is_address, judge_way
from policy.bait import BaitStream
from policy.egress import Domain, parse_domains, refused_name

log = structlog.get_logger("gateway.egress")

RESOLVE_S = 5.0
DIAL_S = 10.0
RECORD_S = 3.0
_CHUNK = 1 << 16
_REASONS = {400: "Bad Request", 403: "Forbidden", 429: "Too Many Requests", 431: "Too Large", 502: "Bad Gateway"}


class _Refused(Exception):  # noqa: N818 - an answer, not a fault
    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


class Egress:
    """The way out of one door."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._running = 0
        self._used = {"sent": 0, "received": 0}

    def protocol(self) -> asyncio.Protocol:
        """For one connection of the session."""
        return asyncio.StreamReaderProtocol(asyncio.StreamReader(limit=MAX_HEAD), self._serve)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._running += 1
        try:
            async with asyncio.timeout(self._session.bounds.limits.tunnel_s):
                await self._one((reader, writer))
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            log.debug("a connection to the outside broke", session=self._session.door.session)
        finally:
            self._running -= 1
            writer.close()

    async def _one(self, near: Way) -> None:
        wanted: Wanted | None = None
        bounds = self._session.bounds
        if self._running > bounds.limits.tunnels or not bounds.spend(1.0):
            bounds.refused += 1  # told when the door closes: an entry for each would be a flood of its own
            await _answer(near[1], _Refused(429, "too many connections to the outside; go on more slowly"))
            return
        try:
            wanted = await self._wanted(near[0])
            address = await self._address(wanted)
            far = await _dialled(self._session, address, wanted.port)
        except _Refused as e:
            self._audit("egress.refused", wanted, {"reason": e.reason})
            await _answer(near[1], e)
            return
        opened = self._audit("egress.opened", wanted, {"address": address, "tunnel": wanted.tunnel})
        begun = time.monotonic()
        carrier = Carrier(near, far, bounds.limits.tunnel_idle_s, self._spend, self._watcher(wanted))
        try:
            await self._carry(wanted, near, carrier)
        finally:
            far[1].close()
            took = {"seconds": round(time.monotonic() - begun, 3)}
            self._audit("egress.closed", wanted, {**dict(carrier.end()), **took}, opened)

    async def _wanted(self, reader: asyncio.StreamReader) -> Wanted:
        """What the session asks for. Raises _Refused."""
        try:
            async with asyncio.timeout(self._session.bounds.limits.head_s):
                head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            raise _Refused(431, "the head of the request is too long") from None
        if self._session.watch("a request to the outside", head):
            raise _Refused(403, "this session is stopped")
        wanted = read_request(head)
        if isinstance(wanted, str):
            raise _Refused(400, wanted)
        return wanted

    # ------------------------------------------------------------ may it, and where to

    async def _address(self, wanted: Wanted) -> str:
        """The address to connect to. Raises _Refused."""
        session = self._session
        domains = _domains(session.door.domains)
        declared = await self._declared() if any(d.means(wanted.host) for d in domains) else frozenset[Place]()
        refused = refused_name(domains, wanted.host, wanted.port, declared)
        if refused:
            raise _Refused(403, refused)
        outside = session.behind.outside
        found: Sequence[str] = (wanted.host,)
        if not is_address(wanted.host):
            try:
                async with asyncio.timeout(RESOLVE_S):
                    found = await outside.resolve(wanted.host)
            except (OSError, TimeoutError, UnicodeError):
                raise _Refused(502, f"{wanted.host} has no address") from None
        way = judge_way(wanted.host, wanted.port, found, declared, outside.own())
        if not way.address:
            raise _Refused(403, way.reason)
        return way.address

    async def _declared(self) -> frozenset[Place]:
        """What the inventory declares; nothing, where the record cannot be asked."""
        try:
            async with asyncio.timeout(RECORD_S):
                return declared_places(await self._session.behind.records.load_inventory())
        except (TransientError, TimeoutError) as e:
            log.warning("the record was not asked for declared places", error=str(e))
            return frozenset()

    # ------------------------------------------------------------ carry

    async def _carry(self, wanted: Wanted, near: Way, carrier: Carrier) -> None:
        if not wanted.tunnel:
            await carrier.run(wanted.head, wanted.body)
            return
        near[1].write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        begun = await self._hello(wanted, near)
        if begun is None:
            carrier.refuse()
        else:
            await carrier.run(begun, None)

    async def _hello(self, wanted: Wanted, near: Way) -> bytes | None:
        """The client's first message, where it is TLS for the very name that was asked for."""
        data, hello = b"", None
        async with asyncio.timeout(self._session.bounds.limits.head_s):
            while hello is None and len(data) <= 2 * MAX_HELLO and (part := await near[0].read(_CHUNK)):
                data += part
                hello = read_hello(data)
        name = "" if is_address(wanted.host) else wanted.host
        reason = "this is no TLS: only TLS passes through a tunnel" if hello is None else hello.refusal
        if hello is not None and not reason and hello.name.lower().removesuffix(".") != name:
            reason = f"the tunnel is for {wanted.host}, but TLS asks for {hello.name[:100] or 'no name'}"
        if not reason:
            return data
        self._audit("egress.refused", wanted, {"reason": reason})
        near[1].write(UNRECOGNIZED_NAME)
        await near[1].drain()
        return None

    def _watcher(self, wanted: Wanted) -> Callable[[bytes], bool]:
        """Looks at what a connection carries out. Of TLS nothing is to be seen."""
        stream = BaitStream(self._session.bait)

        def look(data: bytes) -> bool:
            if (piece := stream.seen(data)) and not self._session.stopped:
                self._session.bait_seen(f"a connection to {wanted.host}", piece)
            return self._session.stopped

        return look

    def _spend(self, sent: int, received: int) -> str:
        """Count what this session carries. Why it has to stop, or ""."""
        limits, used = self._session.bounds.limits, self._used
        used["sent"] += sent
        used["received"] += received
        if used["sent"] > limits.egress_sent:
            return f"this session has sent more than {limits.egress_sent >> 20} MB"
        if used["received"] > limits.egress_received:
            return f"this session has received more than {limits.egress_received >> 20} MB"
        return ""

    def _audit(self, action: str, wanted: Wanted | None, detail: dict[str, object], key: str = "") -> str:
        """One entry. The key of the second one of a connection follows from that of the first."""
        own = f"{key}-end" if key else f"egress-{self._session.behind.new_id()}"
        target = f"{wanted.host}:{wanted.port}" if wanted is not None else "?"
        self._session.audit(own, action, target, detail)
        return own


async def _dialled(session: Session, address: str, port: int) -> Way:
    try:
        async with asyncio.timeout(DIAL_S):
            return await session.behind.outside.dial(address, port)
    except (OSError, TimeoutError) as e:
        raise _Refused(502, f"{address} port {port} cannot be reached ({type(e).__name__})") from None


async def _answer(writer: asyncio.StreamWriter, refused: _Refused) -> None:
    text = f"gateway: {refused.reason}\n".encode()
    head = (
        f"HTTP/1.1 {refused.status} {_REASONS[refused.status]}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(text)}\r\nConnection: close\r\n\r\n"
    )
    try:
        writer.write(head.encode() + text)
        await writer.drain()
    except OSError:
        return  # nobody reads it


@lru_cache(maxsize=256)
def _domains(texts: tuple[str, ...]) -> tuple[Domain, ...]:
    """The list of a door. One that cannot be read is an empty one."""
    try:
        return parse_domains(texts)
    except ConfigurationError as e:
        log.warning("the domains of a door are not usable", error=str(e))
        return ()
