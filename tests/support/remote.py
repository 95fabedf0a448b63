"""A gateway's entrance on loopback, and those who come to it."""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from config.ports import free_ports
from config.remote_tls import client_tls
from config.settings import Settings
from domain.examination import Examination
from gateway.remote.entrance import EntranceLimits
from gateway.remote.far import Far, TurnedAwayError
from gateway.remote.guesses import EntranceBook
from gateway.remote.listening import listen
from tests.support.gateway import Room
from tests.support.outside import certificates

SECRET = "a-secret-of-our-own-machines-0123456789"


@dataclass
class Entered:
    """An open entrance: its address for others, and how to come in."""

    far: Far
    port: int
    book: EntranceBook
    tls: ssl.SSLContext | None
    here: Settings
    there: Settings

    async def raw(self, said: bytes) -> bytes:
        """Everything that is answered to some bytes, until it hangs up."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=self.tls, server_hostname="localhost" if self.tls else None
        )
        try:
            writer.write(said)
            await writer.drain()
            return await asyncio.wait_for(reader.read(), 10)
        except ConnectionError:
            return b""
        finally:
            writer.transport.abort()

    async def ask(self, token: str, request: bytes = b"GET /nothing HTTP/1.1\r\nHost: door\r\n\r\n") -> bytes:
        """Come in by a token and make one request: the line that answers it, or b"" where there is no way in."""
        try:
            reader, writer = await self.far.door(token)
        except (OSError, TurnedAwayError):
            return b""
        try:
            writer.write(request)
            return await asyncio.wait_for(reader.readline(), 10)
        finally:
            writer.transport.abort()


def settings_of(folder: Path, *, tls: bool, days: float = 1) -> tuple[Settings, Settings]:
    """Those of the gateway with the entrance, and those of a machine that comes to it."""
    port = free_ports(1)[0]
    shared = {"gateway_secret": SecretStr(SECRET)}
    scheme = "https" if tls else "http"
    here: dict[str, object] = {"gateway_listen": f"127.0.0.1:{port}", **shared}
    there: dict[str, object] = {
        "gateway_url": f"{scheme}://{'localhost' if tls else '127.0.0.1'}:{port}",
        "credential": "api_key",
        "database_url": SecretStr("postgresql://x:y@127.0.0.1:1/z"),
        "temporal_address": "127.0.0.1:1",
        **shared,
    }
    if tls:
        authority, certificate, key = certificates(folder, "localhost", days=days)
        here |= {"gateway_cert": certificate, "gateway_cert_key": key}
        there |= {"gateway_ca": authority}
    return Settings.model_validate(here), Settings.model_validate(there)


@asynccontextmanager
async def no_gateway() -> AsyncGenerator[int]:
    """A server that only talks, without ever ending its line. Yields its port."""

    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while not writer.is_closing():
                writer.write(b"x" * 65536)
                await writer.drain()
        writer.transport.abort()

    server = await asyncio.start_server(talk, "127.0.0.1", port := free_ports(1)[0])
    try:
        yield port
    finally:
        server.close()


@asynccontextmanager
async def entrance(
    room: Room, *, tls: bool = False, every_s: float = 60.0, days: float = 1, **limits: float
) -> AsyncGenerator[Entered]:
    """The room's doors, behind an address."""
    here, there = settings_of(room.home, tls=tls, days=days)
    book = EntranceBook(room.records, room.recorder, room.behind.clock, room.behind.new_id, every_s)

    async def tried() -> Examination:
        return Examination()

    async with AsyncExitStack() as stack:
        opened = await listen(here, room.keeper, book, tried, stack)
        assert opened is not None
        opened.limits = EntranceLimits.model_validate({"slow_s": 0.0, **limits})
        opened.strangers.limits = opened.limits
        assert here.entrance is not None
        yield Entered(Far.of(there), here.entrance[1], book, client_tls(there), here, there)
