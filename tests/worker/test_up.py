"""`up` for real: every process of the product, killed one after the other, and the supervisor itself at the end."""

import asyncio
import os
import signal
import socket
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest

from adapters.database import server_place
from config import processes, temporal
from config.ports import free_ports
from config.settings import Settings, load
from domain.errors import ConfigurationError, RecordUnavailableError
from tests.support import listening
from worker import up_endpoints
from worker.supervisor import Event, Limits
from worker.up import up

pytestmark = [pytest.mark.postgres, pytest.mark.temporal]

REPOSITORY = Path(__file__).resolve().parents[2]
PROCESSES = ("postgres", "temporal", "gateway", "worker", "web")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    ports = free_ports(3)
    (tmp_path / "repos").mkdir()
    return {
        "TIERCEL_HOME": str(tmp_path / "home"),
        "TIERCEL_REPOS_DIR": str(tmp_path / "repos"),
        "TIERCEL_SCRIPTED": "true",
        "TIERCEL_WEB_PORT": str(ports[0]),
        "TIERCEL_TEMPORAL_PORT": str(ports[1]),
        "TIERCEL_TEMPORAL_UI_PORT": str(ports[2]),
    }


def clean(home: Path) -> None:
    """Remove a database that lies outside the home (root's tests: pytest's folders are private)."""
    server_place.remove_outside(home)


def of_home(home: Path) -> dict[int, str]:
    """Every live process that belongs to this home, by its environment, arguments or folder."""
    bases = [str(home)]
    if (home / "postgres" / "location").exists():
        bases.append((home / "postgres" / "location").read_text().strip())
    found: dict[int, str] = {}
    for pid in processes.every_pid():
        words = " ".join(processes.arguments(pid))
        try:
            seen = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace") + words
        except OSError:
            continue
        if words and pid != os.getpid() and any(base in seen for base in bases):
            found[pid] = words
    return found


class Running:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.stop = asyncio.Event()
        self.events: list[Event] = []
        self.told: list[str] = []

    async def tell(self, title: str, _body: str) -> None:
        self.told.append(title)

    def ready(self, name: str) -> list[int]:
        return [e.pid for e in self.events if e.kind == "ready" and e.child == name]

    async def until(self, what: str, condition: object, seconds: float = 60) -> None:
        assert callable(condition)
        for _ in range(int(seconds * 20)):
            if condition():
                return
            await asyncio.sleep(0.05)
        raise AssertionError(
            f"{what}: not within {seconds} s; {[(e.kind, e.child, e.text) for e in self.events[-12:]]}"
        )


@asynccontextmanager
async def running(settings: Settings, limits: Limits | None = None) -> AsyncIterator[Running]:
    run = Running(settings)
    task = asyncio.create_task(
        up(
            settings,
            stop=run.stop,
            on_event=run.events.append,
            notify_fallback=run.tell,
            outage_after_s=1,
            limits=limits,
            terminal=None,
        )
    )
    waiting = asyncio.create_task(run.until("all ready", lambda: up_endpoints.read(settings.home), 90))
    try:
        await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        await waiting
        yield run
        run.stop.set()
        assert await asyncio.wait_for(task, 60) == 0
    finally:
        run.stop.set()
        waiting.cancel()
        await asyncio.gather(task, waiting, return_exceptions=True)


def status(url: str) -> int:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.status


@pytest.mark.slow
async def test_it_runs_the_product_brings_back_whatever_is_killed_and_leaves_nothing(
    environment: dict[str, str],
) -> None:
    settings = load(environment)
    try:
        async with running(settings) as run:
            endpoints = up_endpoints.read(settings.home)
            assert endpoints is not None
            assert endpoints.scripted
            assert await asyncio.to_thread(status, f"{endpoints.web_url}/healthz") == 200
            async with await psycopg.AsyncConnection.connect(endpoints.database_url) as connection:
                assert await (await connection.execute("SELECT count(*) FROM schema_version")).fetchone() != (0,)
            client = await temporal.connect(settings)
            assert await client.service_client.check_health()
            log = (settings.home / "logs" / "tiercel.log").read_text()
            last = log[log.index("everything is ready") :]
            link = last.partition("Open this link once: ")[2].partition("\n")[0]
            assert f"Dashboard  {endpoints.web_url}/" in last
            assert "Stop       Ctrl-C" in last
            assert "CTRL+C" not in log  # a part's own advice: it would end the part
            assert await asyncio.to_thread(status, link) == 200
            with pytest.raises(ConfigurationError, match="already runs on"):
                await up(settings, stop=asyncio.Event(), terminal=None)
            for name in PROCESSES:
                (pid,) = run.ready(name)
                os.kill(pid, signal.SIGKILL)
                await run.until(f"{name} back", lambda name=name: len(run.ready(name)) == 2)
        assert up_endpoints.read(settings.home) is None
        assert of_home(settings.home) == {}
        log = (settings.home / "logs" / "tiercel.log").read_text()
        assert "worker was ended by SIGKILL; again in 0.5 s" in log
    finally:
        clean(settings.home)


@pytest.mark.slow
async def test_somebody_is_told_when_the_engine_hangs_and_when_it_is_back(environment: dict[str, str]) -> None:
    settings = load(environment)
    try:
        async with running(settings) as run:
            (engine,) = run.ready("temporal")
            os.kill(engine, signal.SIGSTOP)  # its port stays open: only asking it shows that it is away
            try:
                await run.until("told", lambda: run.told == ["Tiercel: Temporal is down"])
            finally:
                os.kill(engine, signal.SIGCONT)
            await run.until("told again", lambda: run.told[1:] == ["Tiercel: Temporal is back"])
    finally:
        clean(settings.home)


@pytest.mark.slow
async def test_one_of_our_processes_that_hangs_is_replaced(environment: dict[str, str]) -> None:
    settings = load(environment)
    ours = ("gateway", "worker", "web")
    try:
        async with running(settings, Limits(ask_every_s=0.2, silent_asks=2)) as run:
            halted = {name: run.ready(name)[0] for name in ours}
            for pid in halted.values():
                os.kill(pid, signal.SIGSTOP)  # each keeps its pid, its port and its place among the pollers
            for name in ours:
                await run.until(f"{name} replaced", lambda name=name: len(run.ready(name)) == 2)
            assert not [pid for pid in halted.values() if processes.arguments(pid)]
            assert [len(run.ready(name)) for name in ("postgres", "temporal")] == [1, 1]
        log = (settings.home / "logs" / "tiercel.log").read_text()
        assert "worker runs but gave no answer 2 times in a row" in log
    finally:
        clean(settings.home)


@pytest.mark.slow
async def test_nothing_of_it_listens_beyond_this_machine(environment: dict[str, str]) -> None:
    settings = load(environment)
    try:
        async with running(settings) as run:
            everything = [(pid, address) for pid in of_home(settings.home) for address in listening.addresses(pid)]
            assert {port for _, (_, port) in everything} >= {settings.web_port, settings.temporal_port}
            assert {pid for pid, _ in everything} >= {run.ready("web")[0], run.ready("temporal")[0]}
            assert [(pid, host, port) for pid, (host, port) in everything if not host.is_loopback] == []
    finally:
        clean(settings.home)


@pytest.mark.slow
async def test_killing_the_supervisor_ends_every_process_and_the_next_start_finds_everything(
    environment: dict[str, str],
) -> None:
    settings = load(environment)
    program = "import asyncio, sys; from config.settings import load; from worker.up import run; sys.exit(asyncio.run(run(load())))"
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program),
            cwd=REPOSITORY,
            env={**os.environ, **environment},
            stdout=asyncio.subprocess.DEVNULL,
        )
        run = Running(settings)
        await run.until("all ready", lambda: up_endpoints.read(settings.home) or process.returncode is not None, 90)
        endpoints = up_endpoints.read(settings.home)
        assert endpoints is not None
        async with await psycopg.AsyncConnection.connect(endpoints.database_url) as connection:
            await connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        assert len(of_home(settings.home)) >= len(PROCESSES)
        process.kill()
        await process.wait()
        await run.until("no orphan", lambda: not of_home(settings.home), 15)
        async with running(settings) as again:
            endpoints = up_endpoints.read(again.settings.home)
            assert endpoints is not None
            async with await psycopg.AsyncConnection.connect(endpoints.database_url) as connection:
                assert await (await connection.execute("SELECT answer FROM kept")).fetchone() == (42,)
    finally:
        clean(settings.home)


async def test_a_taken_port_stops_the_start_with_its_holder_and_the_variable(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.up._PORTS_PATIENCE_S", 0.1)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        settings = load({**environment, "TIERCEL_TEMPORAL_PORT": str(listener.getsockname()[1])})
        with pytest.raises(
            ConfigurationError, match=rf"\(Temporal\) is taken by pid {os.getpid()} .*TIERCEL_TEMPORAL_PORT"
        ):
            await up(settings, stop=asyncio.Event(), terminal=None)


async def test_a_given_database_that_does_not_answer_stops_the_start(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.up_stack._SERVER_PATIENCE_S", 0.1)
    settings = load({**environment, "DATABASE_URL": "postgresql://u@127.0.0.1:1/x"})
    with pytest.raises(RecordUnavailableError, match="no Postgres answers at DATABASE_URL"):
        await up(settings, stop=asyncio.Event(), terminal=None)
