"""Live lines in 200 browsers: a real web process, a real Postgres, a writer and readers in processes of their own.

First how long a line takes from the call that stores it to the last of 200 open streams; then 1,000 broken connections
that go on with Last-Event-ID, and whether a line was lost or came twice.
"""

import argparse
import asyncio
import multiprocessing
import os
import random
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.synchronize import Event
from pathlib import Path

import aiohttp
from yarl import URL

from adapters.database.incidents import IncidentStore
from adapters.database.migrate import migrate
from adapters.database.pool import Pool
from adapters.database.sessions import SessionStore
from config.ports import free_ports
from domain.session import OutputLine
from tests.bench.figures import percentile, show
from tests.support import record
from tests.support.postgres import TEMPLATE, TestServer

ROOT = Path(__file__).parents[2]
BROWSERS = 200
RECONNECTS = 1_000
RECONNECTING = 20
CHUNK = 5  # lines
EVERY_S = 0.25  # how often the product stores the output of a running session
PATIENCE_S = 30.0
_ID = re.compile(rb"^id: .*:(\d+)\r?$", re.MULTILINE)
_LINE = re.compile(rb"line (\d+) at (\d+)\.")
_EVENT_END = b"\r\n\r\n"


def write(url: str, every_s: float, chunks: int, stop: Event) -> None:
    """Append lines that say when they were handed to the record, until told to stop or done."""

    async def run() -> None:
        async with Pool(url, max_size=1) as pool:
            store, seq = SessionStore(pool), 0
            await store.last_seq(record.SESSION, 1)  # the connection is open before the first line counts
            for _ in range(chunks):
                if stop.is_set():
                    return
                began = time.monotonic()
                stamp = time.monotonic_ns()
                seqs = range(seq + 1, seq + CHUNK + 1)
                lines = [OutputLine(seq=n, at=datetime.now(UTC), text=f"line {n} at {stamp}.") for n in seqs]
                await store.append_output(record.SESSION, 1, lines)
                seq += CHUNK
                await asyncio.sleep(max(0.0, every_s - (time.monotonic() - began)))

    asyncio.run(run())


class Watching(asyncio.Protocol):
    """One open tab, with as little between the socket and the clock as Python allows: 200 of them share one core.

    What came is kept as it came and read afterwards.
    """

    def __init__(self) -> None:
        self.arrived: list[tuple[int, bytes]] = []
        self.open = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        """Its time, before anything else."""
        self.arrived.append((time.monotonic_ns(), data))
        if not self.open.is_set() and b"event: hello" in data:
            self.open.set()

    def latencies_ms(self) -> dict[int, float]:
        """From the call that stored a line to the last byte of the event that brought it."""
        found: dict[int, float] = {}
        text = b""
        for when, part in self.arrived:
            text += part
            *whole, text = text.split(_EVENT_END)
            for event in whole:
                found |= {int(n): (when - int(stamp)) / 1e6 for n, stamp in _LINE.findall(event)}
        return found


@dataclass
class Browser:
    """One tab whose connection breaks."""

    number: int
    seen: list[int] = field(default_factory=list[int])
    last_id: str = ""
    connections: int = 0

    async def read_until(self, http: aiohttp.ClientSession, last: int, connections: int) -> None:
        """Break the connection again and again, at any byte, and go on where the last whole event ended."""
        chance = random.Random(self.number)
        while not self.seen or self.seen[-1] < last or self.connections < connections:
            self.connections += 1
            headers = {"Last-Event-ID": self.last_id} if self.last_id else {}
            patience = chance.uniform(0.0, 0.12) if self.connections < connections else PATIENCE_S
            try:
                async with asyncio.timeout(patience):
                    async with http.get("/stream", params=follow(), headers=headers) as answer:
                        await self._events(answer, last if self.connections >= connections else sys.maxsize)
            except TimeoutError:
                assert self.connections < connections or self.seen[-1] >= last, "the last line never came"

    async def _events(self, answer: aiohttp.ClientResponse, last: int) -> None:
        waiting = b""
        async for part in answer.content.iter_any():
            *whole, waiting = (waiting + part).split(_EVENT_END)
            for event in whole:
                found = _ID.search(event)
                if found and b"event: log" in event:
                    self.seen += [int(n) for n, _ in _LINE.findall(event)]
                if found:
                    self.last_id = found.group().decode().strip().removeprefix("id: ")
            if self.seen and self.seen[-1] >= last:
                return


def follow() -> dict[str, str]:
    """What a page with one live log asks for."""
    return {"topics": "incident", "after": f"{record.SESSION}:1:0"}


@asynccontextmanager
async def dashboard(database_url: str) -> AsyncIterator[tuple[str, int]]:
    """`python -m web` on a fresh record with one running session: its address and its pid."""
    async with Pool(database_url, max_size=1) as pool:
        alert, order = record.an_alert(), record.an_order()
        await IncidentStore(pool).incident_opened(order.incident, alert, "escalation/x", "run", False, True, "", "")
        await SessionStore(pool).session_started(order, record.WALLED, True, datetime.now(UTC))
    with tempfile.TemporaryDirectory(prefix="tiercel-bench-") as home:
        (port,) = free_ports(1)
        env = {
            "PATH": os.environ["PATH"],
            "TIERCEL_HOME": home,
            "TEMPORAL_ADDRESS": "127.0.0.1:1",
            "TIERCEL_WEB_LOGIN": "false",
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "web"),
            cwd=ROOT,
            env={**env, "DATABASE_URL": database_url, "TIERCEL_WEB_PORT": str(port)},
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            yield await answering(f"http://127.0.0.1:{port}"), process.pid
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def answering(url: str) -> str:
    """The address, once it answers."""
    async with aiohttp.ClientSession() as http, asyncio.timeout(PATIENCE_S):
        while True:
            try:
                async with http.get(f"{url}/healthz"):
                    return url
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.05)


class Writer:
    """The writing process."""

    def __init__(self, database_url: str, every_s: float, chunks: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.stop = context.Event()
        self._process = context.Process(target=write, args=(database_url, every_s, chunks, self.stop), daemon=True)

    async def run(self) -> None:
        """Until it has written all, or was told to stop."""
        self._process.start()
        await asyncio.to_thread(self._process.join)
        assert self._process.exitcode == 0


def cpu_s(pid: int) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def watch_clock(late_ms: list[float]) -> None:
    """How much later than asked we are woken: what this machine adds to every figure here."""
    while True:
        due = time.monotonic() + 0.02
        await asyncio.sleep(0.02)
        late_ms.append((time.monotonic() - due) * 1000)


async def opened(url: str) -> tuple[asyncio.Transport, Watching]:
    """A tab whose request is sent."""
    address = URL(url).with_path("/stream").with_query(follow())
    transport, tab = await asyncio.get_running_loop().create_connection(Watching, address.host or "", address.port or 0)
    transport.write(f"GET {address.raw_path_qs} HTTP/1.1\r\nHost: {address.authority}\r\n\r\n".encode())
    return transport, tab


async def latency(database_url: str, chunks: int) -> None:
    async with dashboard(database_url) as (url, pid):
        tabs = [await opened(url) for _ in range(BROWSERS)]
        await asyncio.gather(*(tab.open.wait() for _, tab in tabs))
        lateness: list[float] = []
        late = asyncio.create_task(watch_clock(lateness))
        used = cpu_s(pid)
        await Writer(database_url, EVERY_S, chunks).run()
        await asyncio.sleep(1)
        used = cpu_s(pid) - used
        late.cancel()
        for transport, _ in tabs:
            transport.close()
    by_browser = [tab.latencies_ms() for _, tab in tabs]
    expected = set(range(1, chunks * CHUNK + 1))
    assert all(set(found) == expected for found in by_browser), "a line is missing, so the figures mean nothing"
    values = [ms for found in by_browser for ms in found.values()]
    show(f"line to {BROWSERS} browsers, p50", f"{percentile(values, 0.5):.1f} ms")
    show(f"line to {BROWSERS} browsers, p99", f"{percentile(values, 0.99):.1f} ms", "under 50 ms")
    show(f"line to {BROWSERS} browsers, largest of {len(values):,}", f"{max(values):.1f} ms")
    show("web's own time for one event to all of them", f"{used * 1000 / chunks:.1f} ms")
    show("lateness of a plain timer meanwhile (busy machine), p99", f"{percentile(lateness, 0.99):.1f} ms")


async def resume(database_url: str) -> None:
    browsers = [Browser(n) for n in range(RECONNECTING)]
    each = RECONNECTS // RECONNECTING + 1
    async with (
        dashboard(database_url) as (url, _),
        aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(limit=0)) as http,
    ):
        writer = Writer(database_url, 0.02, sys.maxsize)
        writing = asyncio.create_task(writer.run())
        reading = [asyncio.create_task(one.read_until(http, 1, each - 1)) for one in browsers]
        await asyncio.gather(*reading)
        writer.stop.set()
        await writing
        async with Pool(database_url, max_size=1) as pool:
            last = await SessionStore(pool).last_seq(record.SESSION, 1)
        await asyncio.gather(*(one.read_until(http, last, each) for one in browsers))
    gaps = sum(len(set(range(1, last + 1)) - set(one.seen)) for one in browsers)
    doubled = sum(len(one.seen) - len(set(one.seen)) for one in browsers)
    disordered = sum(one.seen != sorted(one.seen) for one in browsers)
    again = sum(one.connections - 1 for one in browsers)
    show(f"lines lost over {again:,} reconnects, {last:,} lines", str(gaps), "0")
    show(f"lines doubled over {again:,} reconnects", str(doubled), "0")
    show("readers that saw lines out of order", str(disordered), "0")


def prepare(url: str) -> None:
    """Bring a database to the newest schema."""
    asyncio.run(migrate(url))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20, help="how long lines are written to the 200 browsers")
    seconds = parser.parse_args().seconds
    server = TestServer()
    try:
        server.start()
        server.make_template(prepare)
        asyncio.run(latency(server.create(TEMPLATE), int(seconds / EVERY_S)))
        asyncio.run(resume(server.create(TEMPLATE)))
    finally:
        server.stop()


if __name__ == "__main__":
    main()
