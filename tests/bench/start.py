"""From "Run now" to the first model request, over what the bare Claude Code CLI needs for the same.

Side by side in one run: the dashboard's form sent to a running product, and the CLI alone with the very same
arguments, straight to the model server. Machines differ and are shared; the ratio of a pair holds.
"""

import argparse
import asyncio
import contextlib
import json
import re
import statistics
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import ClientSession
from temporalio.api.enums.v1 import EventType

from adapters.containers import files, spares
from adapters.containers.choice import container_engine
from claude.argv import DOOR_URL
from config import temporal
from config.claude_cli import find
from config.settings import load
from demo.model.server import Running
from tests.bench.figures import show
from tests.support.full_stack import QUICK, FullStack, full_stack

GOALS = {"process": 1.25, "container": 1.5}
PATIENCE_S = 60.0
SCENARIO = """
name: at once
about: Reports without looking, so that a session is over soon.
delay_s: 0
pace_s: 0
rules:
  - name: report
    steps:
      - report: {summary: nothing to see, services: [], actions_taken: [], escalate: false, escalate_reason: '', handoff: '', memories: []}
"""


@dataclass
class Timed:
    """One look. Seconds to the first model request; `stages` are milliseconds since the click."""

    seconds: float
    folder: Path
    waited: bool = False  # a runner waited for it
    stages: dict[str, float] = field(default_factory=dict[str, float])


async def first_request(model: Running, session: str = "", after_s: float = 0.0) -> tuple[str, float]:
    """Session and time of the first request of one session, or of the first that comes after a moment."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            for one in model.requests:
                if one.session == session or (not session and one.arrived_s > after_s):
                    return one.session, one.arrived_s
            await asyncio.sleep(0.01)


async def ours(stack: FullStack, model: Running, http: ClientSession) -> Timed:
    """Send what the button sends, wait for the model request, then for the end of the incident."""
    clock, began = time.time(), time.monotonic()
    form = {"what": "look", "prompt": "Look at everything and report.", "tier": "1"}
    url = f"http://127.0.0.1:{stack.stage.settings.web_port}/runs"
    headers = {"x-tiercel-client": "bench"}
    async with http.post(url, data=form, headers=headers, allow_redirects=False) as answer:
        answered = time.time()
        found = re.search(r"inc_[0-9a-f-]+", answer.headers.get("Location", "") + await answer.text())
    session, arrived = await first_request(model, after_s=began)
    timed = Timed(arrived - began, stack.stage.settings.home / "sessions" / session)
    assert found
    await stack.closed(found.group())
    at = {"page answered": answered, **await in_temporal(stack, found.group()), **on_disk(timed.folder)}
    timed.waited = spares.read(timed.folder / "attempts" / "1") is not None
    timed.stages = {name: (when - clock) * 1000 for name, when in at.items()} | {"model asked": timed.seconds * 1000}
    return timed


async def in_temporal(stack: FullStack, incident: str) -> dict[str, float]:
    """When the workflow began, and when the session's activity was wanted and taken."""
    client = await temporal.connect(stack.stage.settings)
    row = await stack.services.reads.incident(incident)
    assert row is not None
    at: dict[str, float] = {}
    wanted = 0
    async for event in client.get_workflow_handle(row.workflow_id).fetch_history_events():
        when = event.event_time.seconds + event.event_time.nanos / 1e9
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
            at["workflow started"] = when
        scheduled = event.activity_task_scheduled_event_attributes
        if scheduled.activity_type.name == "run_session":
            at["session wanted"], wanted = when, event.event_id
        if wanted and event.activity_task_started_event_attributes.scheduled_event_id == wanted:
            at["session taken"] = when
    return at


def on_disk(folder: Path) -> dict[str, float]:
    """When the door and the attempt's files were made."""
    tried = folder / "attempts" / "1"
    names = {
        "door open": folder / "session.json",
        "launch ordered": tried / files.LAUNCH,
        "command begun": tried / files.STDERR,
    }
    return {name: path.stat().st_mtime for name, path in names.items() if path.exists()}


class Bare:
    """The CLI without us: arguments, environment and prompt of a session that ran, every address replaced."""

    def __init__(self, like: Path, folder: Path, model: Running) -> None:
        launched: dict[str, Any] = json.loads((like / "attempts" / "1" / files.LAUNCH).read_text())
        self._like, self._folder, self._model = like, folder, model
        self._argv = [str(part) for part in launched["command"][1:]]
        self._env: dict[str, str] = launched["env"]
        self._prompt = (like / "attempts" / "1" / files.PROMPT).read_bytes()
        self._cli = str(find(load({})).path)

    async def __call__(self) -> float:
        """Seconds to its first model request, with a fresh configuration as every session has it."""
        session = str(uuid.uuid4())
        home = self._folder / session
        (home / "config").mkdir(parents=True)
        (home / "work").mkdir()
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            self._cli,
            *(self._moved(part, session) for part in self._argv),
            env={name: self._moved(value, session) for name, value in self._env.items()},
            cwd=home / "work",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        ended = asyncio.create_task(process.communicate(self._prompt))
        _, arrived = await first_request(self._model, session)
        await ended
        return arrived - began

    def _moved(self, text: str, session: str) -> str:
        moved = text.replace(str(self._like), str(self._folder / session)).replace(self._like.name, session)
        return moved.replace(f"{DOOR_URL}/model", self._model.url).replace(DOOR_URL, self._model.url)


async def measure(engine: str, pairs: int, *, stages: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="tiercel-bench-") as folder:
        scenario = Path(folder) / "scenario.yaml"
        scenario.write_text(SCENARIO, encoding="utf-8")
        pace = {**QUICK, "engine": engine, "interval_s": 3600, "session_image": load().session_image}
        async with full_stack(pace=pace, scenario=scenario) as stack, ClientSession() as http:
            model = stack.stage.model
            assert model is not None
            await stack.healthy()
            warm = await ours(stack, model, http)
            while not warm.waited:  # the first ones were made before a patrol had told which repositories there are
                await waits(stack)
                warm = await ours(stack, model, http)
            bare = Bare(warm.folder, Path(folder), model)
            await bare()
            alone, looks = [], []
            memory = await waits(stack)
            for n in range(pairs):
                await waits(stack)
                if n % 2:
                    looks.append(await ours(stack, model, http))
                alone.append(await bare())
                if not n % 2:
                    looks.append(await ours(stack, model, http))
    tell(engine, alone, looks, stages=stages)
    show(f"{engine}: memory of a runner that waits", f"{memory >> 20} MB")


async def waits(stack: FullStack) -> int:
    """Wait until a runner waits for the next session, as one does some seconds after the last. Its memory in bytes."""
    sessions = stack.stage.settings.home / "sessions"
    async with asyncio.timeout(PATIENCE_S):
        while not (found := [f for f in spares.all_of(sessions) if spares.waiting(f)]):
            await asyncio.sleep(0.1)
    spare = spares.waiting(found[0])
    return sum(_private_bytes(pid) for pid in _processes(spare.identity if spare else "", str(found[0].root)))


def _processes(container: str, folder: str) -> list[int]:
    """All that runs for one spare: of a container also what Docker runs beside it."""
    names = [name.encode() for name in (container, folder) if name]
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            pid, line = int(entry.name), (entry / "cmdline").read_bytes()
            if any(name in line for name in names):
                found += [pid, *files.descendants(pid)]
    return list(dict.fromkeys(found))


def _private_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))


def tell(engine: str, alone: list[float], looks: list[Timed], *, stages: bool) -> None:
    ratios = [one.seconds / bare for one, bare in zip(looks, alone, strict=True)]
    show(f"{engine}: bare CLI to first model request, median", f"{statistics.median(alone) * 1000:.0f} ms")
    show(
        f"{engine}: Run now to first model request, median",
        f"{statistics.median(o.seconds for o in looks) * 1000:.0f} ms",
    )
    show(
        f"{engine}: ratio, median of {len(ratios)} pairs",
        f"{statistics.median(ratios):.2f}",
        f"at most {GOALS[engine]}",
    )
    show(f"{engine}: ratio, smallest and largest", f"{min(ratios):.2f} to {max(ratios):.2f}")
    # A machine that others use too slows what comes in many small steps more than one program.
    fastest = min(one.seconds for one in looks) / min(alone)
    show(f"{engine}: ratio of the fastest of each", f"{fastest:.2f}")
    show(f"{engine}: looks that found a runner waiting", f"{sum(one.waited for one in looks)} of {len(looks)}")
    if stages:
        for name in looks[0].stages:
            values = [one.stages[name] for one in looks if name in one.stages]
            show(f"  {name}, median after the click", f"{statistics.median(values):.0f} ms")


async def containers_work() -> bool:
    return (await container_engine(load()).isolation()).isolated


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--engine", choices=[*GOALS, "both"], default="both")
    parser.add_argument("--stages", action="store_true", help="show where the time goes")
    given = parser.parse_args()
    for engine in GOALS if given.engine == "both" else [given.engine]:
        if engine == "container" and not asyncio.run(containers_work()):
            show("container", "not measured", "needs a Docker engine and the session image")
            continue
        asyncio.run(measure(engine, given.pairs, stages=given.stages))


if __name__ == "__main__":
    main()
