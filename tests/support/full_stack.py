"""The whole product as `tiercel up` runs it, in a process of its own, with the demo's services and a scripted model.

async with full_stack({"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint}) as stack:
    await FAULTS["hung"].inject(stack.stage.host)
    incident = await stack.incident_of("local/web")
"""

import asyncio
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from adapters.database.pool import Pool
from adapters.database.records import IncidentDetail, IncidentRow
from config.ports import free_ports
from config.settings import load
from demo.stage import PACE, SCENARIOS, Stage, environment, stage
from web.services.actions import Actor
from web.services.factory import Services, services
from worker import up_endpoints

ROOT = Path(__file__).resolve().parents[2]
READY_S = 120.0
STOP_S = 60.0
QUICK: Mapping[str, object] = {
    **PACE,
    "confirm_after_s": 1.0,
    "settle_s": 0.2,
    "verify_window_s": 1.0,
    "verify_interval_s": 0.3,
    "rechecks_s": "1",
    "engine": "process",
}


@dataclass
class FullStack:
    """What runs: the stage, and the product's own read and act services in this process."""

    stage: Stage
    services: Services
    process: asyncio.subprocess.Process
    log: Path

    async def healthy(self, seconds: float = 60) -> None:
        """Have a patrol look, and wait until every service was seen healthy."""
        async with asyncio.timeout(seconds):
            await self.services.actions.patrol(Actor(kind="cli", name="test"))
            while True:
                found = await self.services.reads.services()
                if found and all(s.status == "up" for s in found):
                    return
                await asyncio.sleep(0.2)

    async def incident_of(self, service: str, seconds: float = 60) -> IncidentRow:
        """The first incident of a service, once it is there."""
        async with asyncio.timeout(seconds):
            while True:
                rows = (await self.services.reads.incidents(limit=20)).rows
                found = next((r for r in rows if r.service == service), None)
                if found is not None:
                    return found
                await asyncio.sleep(0.2)

    async def closed(self, incident: str, seconds: float = 120) -> IncidentDetail:
        """The incident, once it is over. The log's end is the message where it never is."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    row = await self.services.reads.incident(incident)
                    if row is not None and row.closed_at is not None:
                        return row
                    await asyncio.sleep(0.2)
        except TimeoutError:
            raise AssertionError(f"{incident} is not over:\n{self.last_words()}") from None

    def last_words(self) -> str:
        """The end of the log."""
        return self.log.read_text(errors="replace")[-4000:]


@asynccontextmanager
async def full_stack(
    variables: Mapping[str, str] | None = None, pace: Mapping[str, object] = QUICK, scenario: Path | None = None
) -> AsyncIterator[FullStack]:
    """Start it, and stop it so that every process has sent what it had. Leaves nothing behind.

    Without a scenario the demo's own one is told, without the pauses that make it readable.
    """
    with tempfile.TemporaryDirectory(prefix="tiercel-full-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # Postgres may run as another user and must get through
        told = scenario or _swift(Path(folder) / "scenarios")
        async with stage(Path(folder) / "stage", load(_own_ports()), told, pace) as set_up:
            log = Path(folder) / "up.log"
            with log.open("wb") as output:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-c", "from cli.main import run; run()", "up"),
                    env={**environment(set_up.settings), **(variables or {})},
                    cwd=ROOT,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                )
            try:
                url = await _database_url(set_up, process, log)
                async with Pool(url, max_size=3) as pool:
                    yield FullStack(set_up, services(set_up.settings, pool), process, log)
            finally:
                await _stop(process)


def _own_ports() -> dict[str, str]:
    """The usual ones may be wanted by another run at the same moment."""
    names = ("TIERCEL_WEB_PORT", "TIERCEL_TEMPORAL_PORT", "TIERCEL_TEMPORAL_UI_PORT")
    return {name: str(port) for name, port in zip(names, free_ports(len(names)), strict=True)}


def _swift(folder: Path) -> Path:
    folder.mkdir()
    for file in SCENARIOS.glob("*.yaml"):
        text = re.sub(r"^(delay_s|pace_s): .*$", r"\1: 0", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
        (folder / file.name).write_text(text, encoding="utf-8")
    return folder


async def _database_url(set_up: Stage, process: asyncio.subprocess.Process, log: Path) -> str:
    async with asyncio.timeout(READY_S):
        while (found := up_endpoints.read(set_up.settings.home)) is None:
            assert process.returncode is None, log.read_text(errors="replace")[-4000:]
            await asyncio.sleep(0.1)
    return found.database_url


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
