"""The whole product as a subprocess on a real stage: started, watched from outside, killed in parts, and left empty."""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar

import pytest

from adapters.database import server_place
from adapters.database.pool import Pool
from config.settings import Settings, load
from demo.host.handle import HostHandle
from demo.receiver import Receiver
from demo.stage import PACE, Stage, environment, stage
from domain.errors import TiercelError
from tests.e2e import cast
from tests.e2e.cast import Player
from web.services.actions import Actor
from web.services.factory import Services, services
from worker import up_endpoints

T = TypeVar("T")
REPOSITORY = Path(__file__).resolve().parents[2]
SCENARIOS = Path(__file__).parent / "scenarios"
TESTER = Actor(kind="cli", name="test")
START_S = 120.0
STOP_S = 60.0
ORPHAN_S = 15.0

# As short as the rules allow; the restart limit has tests of its own.
FAST: dict[str, object] = {
    **PACE,
    "interval_s": 15,
    "confirm_after_s": 0.5,
    "settle_s": 0.2,
    "verify_window_s": 1.0,
    "verify_interval_s": 0.3,
    "verify_timeout_s": 20.0,
    "rechecks_s": "0.5,1",
    "restart_limit": 1000,
    "redeploy_limit": 1000,
    "remedy_limit": 1000,
}
_UP = "from cli.main import run; run()"


class Theatre:
    """One stage, and one `up` on it (or none: between two starts)."""

    def __init__(self, set_up: Stage, env: Mapping[str, str]) -> None:
        self.stage = set_up
        self.env = {**environment(set_up.settings), **env}
        self.process: asyncio.subprocess.Process | None = None
        self._services: Services | None = None
        self._open = AsyncExitStack()

    # ------------------------------------------------------------ what there is

    @property
    def settings(self) -> Settings:
        """The settings of the product under test."""
        return self.stage.settings

    @property
    def home(self) -> Path:
        """Its home."""
        return self.settings.home

    @property
    def host(self) -> HostHandle:
        """The machine that it watches."""
        return self.stage.host

    @property
    def receiver(self) -> Receiver:
        """What people get."""
        return self.stage.receiver

    @property
    def here(self) -> Services:
        """Reads and acts, as the pages have them."""
        assert self._services is not None, "nothing runs"
        return self._services

    @property
    def log(self) -> str:
        """The combined log of the product so far."""
        return (self.home / "logs" / "tiercel.log").read_text(encoding="utf-8", errors="replace")

    def children(self) -> dict[str, Player]:
        """The supervisor's processes that run now."""
        return cast.children(self.process.pid) if self.process else {}

    # ------------------------------------------------------------ start and stop

    async def up(self) -> None:
        """Start `tiercel up` and wait until it says where it is."""
        self.process = await start_up(self.env, self.home.parent / "up.log")
        async with asyncio.timeout(START_S):
            while (found := up_endpoints.read(self.home)) is None or found.pid != self.process.pid:
                if self.process.returncode is not None:
                    pytest.fail(f"`tiercel up` ended with {self.process.returncode}:\n{self._last_words()}")
                await asyncio.sleep(0.05)
        pool = await self._open.enter_async_context(Pool(found.database_url, max_size=4))
        self._services = services(self.settings, pool)

    async def down(self) -> None:
        """Ctrl-C, as an owner would."""
        await self._disconnect()
        process, self.process = self.process, None
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGINT)
        try:
            async with asyncio.timeout(STOP_S):
                assert await process.wait() == 0, "`tiercel up` did not end cleanly"
        except TimeoutError:
            process.kill()
            pytest.fail(f"`tiercel up` did not end within {STOP_S:.0f} s:\n{self._last_words()}")

    async def kill_up(self) -> None:
        """The supervisor itself, at once. What it started must end by itself."""
        assert self.process is not None
        await self._disconnect()
        self.process.kill()
        await self.process.wait()
        self.process = None

    async def _disconnect(self) -> None:
        self._services = None
        await self._open.aclose()
        self._open = AsyncExitStack()

    def _last_words(self) -> str:
        return (self.home.parent / "up.log").read_text(encoding="utf-8", errors="replace")[-4000:]

    # ------------------------------------------------------------ watching

    async def read(self, question: Callable[[], Awaitable[T]], patience_s: float = 60.0) -> T:
        """Ask the record, over restarts of it."""
        async with asyncio.timeout(patience_s):
            while True:
                with suppress(TiercelError):
                    return await question()
                await asyncio.sleep(0.1)

    async def until(self, what: str, found: Callable[[], Awaitable[T | None]], seconds: float = 90.0) -> T:
        """Wait for something that the record says. Fails with `what` and the product's last words."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            value = await self.read(found)
            if value:
                return value
            if self.process is None or self.process.returncode is not None:
                break
            await asyncio.sleep(0.02)
        return pytest.fail(f"{what}: not within {seconds:.0f} s. Newest of the log:\n{self.log[-3000:]}")

    async def all_up(self) -> None:
        """Every declared service is healthy, by a patrol of now."""

        async def healthy() -> bool:
            found = await self.here.reads.services()
            return bool(found) and all(s.status == "up" for s in found)

        end = time.monotonic() + 60
        while not await self.read(healthy):
            assert time.monotonic() < end, [(s.id, s.status, s.summary) for s in await self.here.reads.services()]
            await self.patrol()
            await asyncio.sleep(0.7)

    async def patrol(self) -> None:
        """Run now; where the engine is away just now, the schedule does it later."""
        with suppress(TiercelError):
            await self.here.actions.patrol(TESTER)

    async def no_orphans(self) -> None:
        """Nothing of this home is left after 15 s. Only to be asked where nothing runs."""
        end = time.monotonic() + ORPHAN_S
        while left := cast.everybody(self.home):
            assert time.monotonic() < end, f"orphans after {ORPHAN_S:.0f} s: {left}"
            await asyncio.sleep(0.1)


async def start_up(env: Mapping[str, str], log: Path) -> asyncio.subprocess.Process:
    """`tiercel up` with exactly these variables."""
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _UP, "up"),
            cwd=REPOSITORY,
            env=dict(env),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


@asynccontextmanager
async def folder() -> AsyncGenerator[Path]:
    """A short path that other users may pass through: Postgres may run as one, and sockets have short names."""
    path = Path(tempfile.mkdtemp(prefix="tiercel-e2e-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        server_place.remove_outside(path / "stage" / "tiercel")
        if not os.environ.get("TIERCEL_TEST_KEEP"):
            shutil.rmtree(path, ignore_errors=True)


@asynccontextmanager
async def theatre(
    scenario: Path = SCENARIOS / "repairs.yaml",
    pace: Mapping[str, object] = FAST,
    env: Mapping[str, str] | None = None,
    *,
    start: bool = True,
) -> AsyncGenerator[Theatre]:
    """Set everything up, start it, and at the end stop it and see that nothing is left."""
    async with folder() as root, stage(root / "stage", load({}), scenario, pace) as set_up:
        here = Theatre(set_up, env or {})
        try:
            if start:
                await here.up()
            yield here
            await here.down()
        finally:
            await _end(here)
        await here.no_orphans()


async def _end(here: Theatre) -> None:
    """However the test ended, nothing may run on."""
    with suppress(Exception):
        await here._disconnect()
    if here.process is not None and here.process.returncode is None:
        here.process.kill()
        await here.process.wait()
