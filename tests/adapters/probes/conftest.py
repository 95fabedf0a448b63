"""A runner with a fixed clock, and small real servers on ephemeral ports."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

import pytest

from adapters.probes.runner import ProbeRunner
from domain.health import ProbeSpec
from domain.ids import service_id
from domain.inventory import Service, ServiceKind

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class FixedClock:
    def now(self) -> datetime:
        return NOW


def service(*probes: ProbeSpec, name: str = "thing") -> Service:
    return Service(id=service_id("local", name), name=name, kind=ServiceKind.EXTERNAL, probes=probes)


MakeRunner = Callable[..., ProbeRunner]


@pytest.fixture
async def make_runner() -> AsyncIterator[MakeRunner]:
    made: list[ProbeRunner] = []

    def make(**kwargs: object) -> ProbeRunner:
        settings: dict[str, object] = {"clock": FixedClock(), "redact": str, "environ": {}}
        made.append(ProbeRunner(**{**settings, **kwargs}))  # pyright: ignore[reportArgumentType]
        return made[-1]

    yield make
    for runner in made:
        await runner.close()


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def tcp_server(talk: Talk, **kwargs: object) -> AsyncIterator[int]:
    """A server that lets `talk` answer each connection; gives its port."""
    open_writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_writers.append(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await talk(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, **kwargs)  # pyright: ignore[reportArgumentType]
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in open_writers:
            writer.transport.abort()


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Accepts, reads, never answers: what a hung program looks like from outside."""
    await reader.read()


def answering(payload: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(payload)
        await writer.drain()
        writer.close()

    return talk


def http_answer(body: str, status: str = "200 OK", headers: str = "") -> bytes:
    raw = body.encode()
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(raw)}\r\n{headers}\r\n".encode() + raw
