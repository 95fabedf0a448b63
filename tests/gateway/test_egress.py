"""A session's way out: the names on its list, and nothing else. Seen by what arrives outside."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from adapters.doors.paths import reachable
from domain.health import HttpProbe
from domain.inventory import Inventory
from domain.ports import Door
from gateway.bounds import DoorLimits
from tests.support import gateway
from tests.support.gateway import WEB, Room
from tests.support.outside import OTHER, PUBLIC, Place, outside

LIST = ("good.example", "*.good.example", "meta.example", "lan.example", "git.lan:3000", "two.example")


@dataclass
class Inside:
    """One session with a list, and the world."""

    place: Place
    room: Room
    door: Door

    async def say(self, data: bytes) -> bytes:
        """All that the door answers to these bytes."""
        with reachable(self.door.folder.socket) as path:
            reader, writer = await asyncio.open_unix_connection(path)
        writer.write(data)
        async with asyncio.timeout(10):
            answer = await reader.read()
        writer.close()
        return answer

    async def tls(self, target: str, name: str | None) -> bytes:
        """CONNECT to `target`, speak TLS to `name` there, ask for a page."""
        with reachable(self.door.folder.socket) as path:
            reader, writer = await asyncio.open_unix_connection(path)
        writer.write(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        async with asyncio.timeout(10):
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 200 " not in head:
                return head + await reader.read()
            context = ssl.create_default_context(cafile=str(self.place.authority))
            context.check_hostname = name is not None
            if name is None:
                context.verify_mode = ssl.CERT_NONE
            await writer.start_tls(context, server_hostname=name)
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = await reader.read()
        writer.close()
        return answer

    async def audits(self) -> list[tuple[str, str, dict[str, object]]]:
        """All entries about the outside, as soon as each connection that was opened is closed."""
        async with asyncio.timeout(10):
            while True:
                await self.room.written()
                found = [entry for entry in self.room.records.audits.values() if entry[0].startswith("egress.")]
                kinds = [entry[0] for entry in found]
                if kinds and kinds.count("egress.opened") == kinds.count("egress.closed"):
                    return found
                await asyncio.sleep(0.005)


@asynccontextmanager
async def inside(
    folder: Path, limits: DoorLimits | None = None, domains: tuple[str, ...] = LIST
) -> AsyncIterator[Inside]:
    async with (
        outside(folder) as place,
        gateway.room(folder / "home", outside=place.world, limits=limits or DoorLimits()) as room,
    ):
        yield Inside(place, room, await room.open(domains=domains))


@pytest_asyncio.fixture(name="session")
async def _session(tmp_path: Path) -> AsyncIterator[Inside]:
    async with inside(tmp_path) as found:
        yield found


# ---------------------------------------------------------------- what may pass


@pytest.mark.parametrize("name", ["good.example", "sub.good.example"])
async def test_tls_to_a_name_on_the_list_passes_end_to_end(session: Inside, name: str):
    assert (await session.tls(f"{name}:443", name)).endswith(b"hello")
    assert session.place.world.dialled == [(PUBLIC, 443)]
    opened, closed = await session.audits()
    assert opened[:2] == ("egress.opened", f"{name}:443")
    assert opened[2]["address"] == PUBLIC
    assert closed[0] == "egress.closed"
    assert int(str(closed[2]["sent"])) > 100
    assert int(str(closed[2]["received"])) > 100


async def test_plain_http_passes_with_its_body_and_without_what_belongs_to_the_proxy(session: Inside):
    head = b"POST http://GOOD.example./a?b=1 HTTP/1.1\r\nHost: evil.example\r\nProxy-Authorization: x\r\nX-A: 1\r\n"
    answer = await session.say(head + b"Content-Length: 4\r\n\r\nbodyGET http://evil.example/ HTTP/1.1\r\n\r\n")
    assert answer.endswith(b"hello")
    [seen] = session.place.good.heads
    assert (
        seen.lower()
        == b"post /a?b=1 http/1.1\r\nhost: good.example\r\nx-a: 1\r\ncontent-length: 4\r\nconnection: close\r\n\r\n"
    )
    assert session.place.reached == 0


async def test_a_private_address_passes_where_list_and_inventory_name_it(session: Inside):
    session.place.world.names["git.lan"] = ("192.168.7.7",)
    request = b"GET http://git.lan:3000/ HTTP/1.1\r\n\r\n"
    assert b" 403 " in await session.say(request)
    probe = HttpProbe(url="http://git.lan:3000/")
    session.room.records.inventory = Inventory(services=(WEB.model_copy(update={"probes": (probe,)}),))
    assert (await session.say(request)).endswith(b"hello")
    assert session.place.private.connections == 1


# ---------------------------------------------------------------- what may not


async def test_without_a_list_nothing_is_even_asked_for(tmp_path: Path):
    async with inside(tmp_path, domains=()) as session:
        assert b" 403 " in await session.tls("good.example:443", "good.example")
        assert b" 403 " in await session.say(b"GET http://good.example/ HTTP/1.1\r\n\r\n")
        assert (session.place.world.asked, session.place.world.dialled) == ([], [])
        assert [a[0] for a in await session.audits()] == ["egress.refused"] * 2


@pytest.mark.parametrize(
    "target",
    [
        "evil.example:443",
        "secret-data.evil.example:443",  # a tunnel through DNS
        "notgood.example:443",
        "good.example.evil.example:443",
        "good.example:22",
        "good.example:8443",
        f"{OTHER}:443",
        f"{PUBLIC}:443",  # the name is on the list, its address is not
        "127.0.0.1:80",
        "2130706433:80",
        "0x7f.1:80",
        "[::1]:80",
        "[::ffff:10.0.0.5]:80",
        "169.254.169.254:80",
        "localhost:80",
        "good.example",
        "good.example:0",
        "good.example:443@evil.example:443",
        "good.example%00.evil.example:443",
    ],
)
async def test_everything_else_is_refused_before_anybody_is_asked(session: Inside, target: str):
    answer = await session.tls(target, "good.example")
    assert answer.startswith((b"HTTP/1.1 403 ", b"HTTP/1.1 400 "))
    assert (session.place.world.asked, session.place.world.dialled) == ([], [])
    [audit] = await session.audits()
    assert audit[0] == "egress.refused"
    assert audit[2]["reason"]


@pytest.mark.parametrize(
    "found",
    [
        ("169.254.169.254",),
        ("10.0.0.5",),
        ("127.0.0.1",),
        ("::1",),
        ("::ffff:169.254.169.254",),
        ("fd00:ec2::254",),
        ("100.64.1.1",),
        ("0.0.0.0",),
        (PUBLIC, "10.0.0.5"),
        (),
    ],
)
async def test_a_name_on_the_list_that_leads_inside_is_refused(session: Inside, found: tuple[str, ...]):
    session.place.world.names["meta.example"] = found
    answer = await session.say(b"GET http://meta.example/latest/meta-data/ HTTP/1.1\r\n\r\n")
    assert answer.startswith((b"HTTP/1.1 403 ", b"HTTP/1.1 502 "))
    assert session.place.world.dialled == []
    assert session.place.reached == 0


async def test_a_name_is_asked_for_once_and_its_second_answer_never_counts(session: Inside):
    class Rebinding(dict[str, tuple[str, ...]]):
        def __getitem__(self, name: str) -> tuple[str, ...]:
            return (PUBLIC,) if session.place.world.asked.count(name) == 1 else ("127.0.0.1",)

    session.place.world.names = Rebinding({"good.example": ()})
    assert (await session.say(b"GET http://good.example/ HTTP/1.1\r\n\r\n")).endswith(b"hello")
    assert session.place.world.asked == ["good.example"]
    assert b" 403 " in await session.say(b"GET http://good.example/ HTTP/1.1\r\n\r\n")
    assert session.place.world.dialled == [(PUBLIC, 80)]


async def test_this_machine_by_its_public_address_is_refused(session: Inside):
    session.place.world.here = frozenset({PUBLIC})
    assert b" 403 " in await session.say(b"GET http://good.example/ HTTP/1.1\r\n\r\n")
    assert session.place.world.dialled == []


@pytest.mark.parametrize("name", ["evil.example", "sub.good.example", None])
async def test_tls_for_another_name_or_for_none_does_not_pass(session: Inside, name: str | None):
    with pytest.raises(ssl.SSLError):
        await session.tls("good.example:443", name)
    assert session.place.good.heads == []
    kinds = [a[0] for a in await session.audits()]
    assert sorted(kinds) == ["egress.closed", "egress.opened", "egress.refused"]
    closed = next(a for a in await session.audits() if a[0] == "egress.closed")
    assert closed[2]["why"] == "refused"
    assert closed[2]["sent"] == 0


@pytest.mark.parametrize(
    "first",
    [b"GET / HTTP/1.1\r\nHost: good.example\r\n\r\n", b"SSH-2.0-x\r\n", b"\x16\x03\x01\x00\x04\x02\x00\x00\x00"],
)
async def test_what_is_no_tls_does_not_pass_through_a_tunnel(session: Inside, first: bytes):
    answer = await session.say(b"CONNECT good.example:443 HTTP/1.1\r\n\r\n" + first)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert session.place.good.heads == []
    closed = next(a for a in await session.audits() if a[0] == "egress.closed")
    assert closed[2]["sent"] == 0


@pytest.mark.parametrize(
    "request_",
    [
        b"GET http://good.example/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET http://good.example/ HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET http://good.example/ HTTP/1.1\r\nX: a\nHost: evil.example\r\n\r\n",
        b"GET http://good.example/ HTTP/1.1\r\nX : a\r\n\r\n",
        b"GET http://good.example/ HTTP/1.1\r\n X: a\r\n\r\n",
        b"GET http://u:p@good.example/ HTTP/1.1\r\n\r\n",
        b"GET http://good.example\\@evil.example/ HTTP/1.1\r\n\r\n",
        b"GET http://good.example/# HTTP/1.1\r\n\r\n",
        b"GET https://good.example/ HTTP/1.1\r\n\r\n",
        b"CONNECT good.example:443 HTTP/9.9\r\n\r\n",
        b"CONNECT  good.example:443 HTTP/1.1\r\n\r\n",
        b"GET http://good.example/" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
    ],
)
async def test_a_malformed_request_goes_nowhere(session: Inside, request_: bytes):
    assert (await session.say(request_)).startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 431 "))
    assert session.place.world.asked == []


# ---------------------------------------------------------------- bounds


async def test_so_many_connections_so_many_bytes_so_much_silence(tmp_path: Path):
    limits = DoorLimits(tunnels=2, tunnel_idle_s=0.3, egress_received=100_000)
    async with inside(tmp_path, limits) as session:
        held = [await _silent(session) for _ in range(2)]
        assert b" 429 " in await session.say(b"GET http://good.example/ HTTP/1.1\r\n\r\n")
        for reader, writer in held:
            async with asyncio.timeout(10):
                assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
                await reader.read()  # ended by the gateway
            writer.close()
        session.place.good.answer = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_000_000
        got = await session.say(b"GET http://good.example/ HTTP/1.1\r\n\r\n")
        assert len(got) < 500_000
        whys = [str(a[2]["why"]) for a in await session.audits() if a[0] == "egress.closed"]
    assert [w.split(" ")[0] for w in whys] == ["silent", "silent", "this"]


async def _silent(session: Inside) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A tunnel in which the client has said its first word, and the server waits for more."""
    with reachable(session.door.folder.socket) as path:
        reader, writer = await asyncio.open_unix_connection(path)
    context = ssl.create_default_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname="good.example")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    writer.write(b"CONNECT good.example:443 HTTP/1.1\r\n\r\n" + outgoing.read())
    async with asyncio.timeout(10):
        while len(session.place.world.dialled) <= session.place.world.asked.count("good.example") - 1:
            await asyncio.sleep(0.005)
        while not session.place.world.dialled:
            await asyncio.sleep(0.005)
    return reader, writer


async def test_a_closed_door_ends_its_connections(session: Inside):
    reader, writer = await _silent(session)
    await session.room.keeper.close(session.door.session)
    async with asyncio.timeout(10):
        with suppress(ConnectionError):
            await reader.read()
    writer.close()
