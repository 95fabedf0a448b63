"""The supervisor on real processes: order, crashes, kills, and that nothing is left behind."""

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from config import processes
from domain.errors import ConfigurationError, TransientError
from worker.supervisor import Event, Limits, Supervisor
from worker.supervisor_child import ChildSpec
from worker.supervisor_log import CombinedLog

REPOSITORY = Path(__file__).resolve().parents[2]
QUICK = Limits(first_pause_s=0.01, longest_pause_s=0.05)
ENV = {"PATH": os.environ["PATH"]}


def sh(name: str, script: str, **more: object) -> ChildSpec:
    return ChildSpec(name=name, argv=("/bin/sh", "-c", script), environment=ENV, **more)  # type: ignore[arg-type]


def waiting(name: str, **more: object) -> ChildSpec:
    return sh(name, "exec sleep 60", **more)


@dataclass
class Run:
    supervisor: Supervisor
    events: list[Event]
    stop: asyncio.Event
    task: "asyncio.Task[int]"
    log: CombinedLog
    lines: list[str] = field(default_factory=list)

    async def until(self, what: Callable[[], object], seconds: float = 15) -> None:
        for _ in range(int(seconds * 100)):
            if what():
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"not within {seconds} s; events: {self.events}")

    def order(self, kind: str) -> list[str]:
        return [e.child for e in self.events if e.kind == kind]

    async def end(self) -> int:
        self.stop.set()
        return await asyncio.wait_for(self.task, 20)


@asynccontextmanager
async def running(*specs: ChildSpec, limits: Limits = QUICK) -> AsyncIterator[Run]:
    events: list[Event] = []
    log = CombinedLog(None, None)
    supervisor = Supervisor(specs, log, limits=limits, on_event=events.append)
    stop = asyncio.Event()
    run = Run(supervisor, events, stop, asyncio.create_task(supervisor.run(stop)), log)
    try:
        yield run
    finally:
        stop.set()
        supervisor.kill()
        await asyncio.gather(run.task, return_exceptions=True)


def alive(pid: int) -> bool:
    return bool(processes.arguments(pid))


async def test_it_starts_what_others_need_first_and_stops_in_the_reverse_order() -> None:
    order: list[str] = []

    def ready(name: str) -> Callable[[int], object]:
        async def answer(_pid: int) -> bool:
            await asyncio.sleep(0.05)
            order.append(name)
            return True

        return answer

    specs = (
        waiting("web", depends_on=("worker",), ready=ready("web")),
        waiting("worker", depends_on=("postgres", "temporal"), ready=ready("worker")),
        waiting("postgres", ready=ready("postgres")),
        waiting("temporal", ready=ready("temporal")),
    )
    async with running(*specs) as run:
        await run.until(run.supervisor.all_ready.is_set)
        assert set(order[:2]) == {"postgres", "temporal"}
        assert order[2:] == ["worker", "web"]
        pids = run.supervisor.pids
        assert await run.end() == 0
        assert run.order("stopped")[:2] == ["web", "worker"]
        assert not [pid for pid in pids.values() if alive(pid)]


async def test_a_crashed_child_comes_back_and_its_neighbour_does_not_notice(tmp_path: Path) -> None:
    counter = tmp_path / "lives"
    script = f'echo x >> {counter}; [ "$(wc -l < {counter})" -ge 3 ] && exec sleep 60; exit 3'
    async with running(sh("crashing", script), waiting("calm")) as run:
        await run.until(lambda: run.order("restarting") == ["crashing", "crashing"])
        await run.until(lambda: "crashing" in run.supervisor.ready and "crashing" in run.supervisor.pids)
        assert run.order("starting").count("calm") == 1
        assert "ended with code 3" in next(e.text for e in run.events if e.kind == "restarting")


async def test_after_five_crashes_in_a_minute_it_gives_up_says_why_and_stops_the_rest() -> None:
    async with running(sh("broken", "echo the port is taken; exit 1"), waiting("calm")) as run:
        await run.until(lambda: "calm" in run.supervisor.pids)
        calm = run.supervisor.pids["calm"]
        assert await asyncio.wait_for(run.task, 20) == 1
        assert run.order("starting").count("broken") == 5
        assert "broken ended 5 times within 60 s" in run.supervisor.failure
        assert "the port is taken" in run.supervisor.failure
        assert not alive(calm)


async def test_kills_from_outside_are_survived_more_often_than_crashes() -> None:
    async with running(waiting("target")) as run:
        for n in range(8):
            await run.until(lambda n=n: run.order("ready").count("target") == n + 1)
            os.kill(run.supervisor.pids["target"], signal.SIGKILL)
        await run.until(lambda: run.order("ready").count("target") == 9)
        assert not run.supervisor.failure


async def test_endless_kills_from_outside_end_it_with_a_hint() -> None:
    limits = Limits(first_pause_s=0.01, longest_pause_s=0.05, kills=4)
    async with running(sh("target", "kill -9 $$"), limits=limits) as run:
        assert await asyncio.wait_for(run.task, 20) == 1
        assert "killed from outside, or lost what it needs, 4 times" in run.supervisor.failure


async def test_a_child_that_falls_with_what_it_depends_on_is_not_blamed(tmp_path: Path) -> None:
    fallen = tmp_path / "database-is-gone"
    worker = sh("worker", f"while [ ! -e {fallen} ]; do sleep 0.01; done; exit 1", depends_on=("postgres",))

    async def whole(_pid: int) -> bool:
        return not fallen.exists()

    async with running(waiting("postgres", ready=whole), worker, limits=Limits(first_pause_s=0.01, crashes=2)) as run:
        await run.until(run.supervisor.all_ready.is_set)
        fallen.touch()
        os.kill(run.supervisor.pids["postgres"], signal.SIGKILL)
        await run.until(lambda: run.order("restarting").count("worker") >= 4)
        assert not run.supervisor.failure
        fallen.unlink()
        await run.until(lambda: {"postgres", "worker"} <= run.supervisor.ready)


async def test_a_child_that_ignores_its_signal_is_killed_with_everything_it_started(tmp_path: Path) -> None:
    pidfile = tmp_path / "pid"
    script = f"trap '' TERM; sleep 60 & echo $! > {pidfile}; while :; do sleep 60; done"
    async with running(sh("stubborn", script, stop_timeout_s=0.3)) as run:
        await run.until(lambda: pidfile.exists() and pidfile.read_text().strip())
        grandchild = int(pidfile.read_text())
        assert await run.end() == 0
        assert not alive(grandchild)
        assert "did not stop within 0.3 s and was killed" in run.events[-1].text


async def test_what_a_dead_child_left_in_its_group_is_ended_before_the_next_life(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"sleep 60 & echo $! >> {pids}; exec sleep 60"
    async with running(sh("parent", script)) as run:
        await run.until(lambda: pids.exists() and len(pids.read_text().split()) == 1)
        os.kill(run.supervisor.pids["parent"], signal.SIGKILL)
        await run.until(lambda: len(pids.read_text().split()) == 2)
        assert not alive(int(pids.read_text().split()[0]))


async def test_a_child_that_never_answers_is_ended_and_told() -> None:
    async def never(_pid: int) -> bool:
        raise ConnectionRefusedError

    async with running(
        waiting("deaf", ready=never, ready_timeout_s=0.2), limits=Limits(first_pause_s=0.01, crashes=2)
    ) as run:
        assert await asyncio.wait_for(run.task, 20) == 1
        assert any("does not answer after 0.2 s" in line for line in run.log.tail("tiercel"))


async def test_a_child_that_hangs_is_ended_told_and_replaced_and_a_short_pause_is_forgiven(tmp_path: Path) -> None:
    """The child answers by touching what it is asked to touch; a halted one cannot."""
    asked = tmp_path / "asked"
    script = f"while :; do [ -e {asked} ] && rm {asked}; sleep 0.01; done"
    silent: list[int] = []

    async def answers(_pid: int) -> bool:
        asked.touch()
        for _ in range(50):
            await asyncio.sleep(0.01)
            if not asked.exists():
                return True
        silent.append(1)
        return False

    limits = Limits(first_pause_s=0.01, ask_every_s=0.01, silent_asks=3)
    async with running(sh("hanging", script, alive=answers), limits=limits) as run:
        await run.until(lambda: "hanging" in run.supervisor.ready)
        pid = run.supervisor.pids["hanging"]
        os.killpg(pid, signal.SIGSTOP)
        await run.until(lambda: silent)
        os.killpg(pid, signal.SIGCONT)
        await run.until(lambda: not asked.exists())
        assert alive(pid)
        os.killpg(pid, signal.SIGSTOP)
        await run.until(lambda: run.order("ready") == ["hanging", "hanging"])
        assert not alive(pid)
        assert any("hanging runs but gave no answer 3 times in a row" in line for line in run.log.tail("tiercel"))


async def test_a_step_after_readiness_is_repeated_when_repeating_can_help_and_ends_it_otherwise() -> None:
    tries: list[int] = []

    async def migrate() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise TransientError("the server is restarting")
        raise ConfigurationError("the schema is newer than this code; upgrade")

    async with running(waiting("postgres", on_ready=migrate), waiting("web", depends_on=("postgres",))) as run:
        assert await asyncio.wait_for(run.task, 20) == 1
        assert len(tries) == 2
        assert run.supervisor.failure == "postgres cannot run: the schema is newer than this code; upgrade"
        assert run.order("starting") == ["postgres"]


async def test_a_program_that_does_not_exist_is_one_clear_line() -> None:
    async with running(ChildSpec(name="ghost", argv=("/nowhere/ghost",), environment=ENV)) as run:
        assert await asyncio.wait_for(run.task, 20) == 1
        assert "ghost cannot run" in run.supervisor.failure
        assert "/nowhere/ghost" in run.supervisor.failure


async def test_preparing_happens_before_each_start() -> None:
    prepared: list[int] = []

    async def prepare() -> None:
        prepared.append(1)

    async with running(waiting("a", prepare=prepare)) as run:
        await run.until(lambda: "a" in run.supervisor.ready)
        os.kill(run.supervisor.pids["a"], signal.SIGKILL)
        await run.until(lambda: run.order("ready") == ["a", "a"])
    assert len(prepared) == 2


@pytest.mark.parametrize(
    "specs",
    [
        (waiting("a", depends_on=("b",)), waiting("b", depends_on=("a",))),
        (waiting("a", depends_on=("nobody",)),),
        (waiting("a"), waiting("a")),
    ],
)
def test_children_that_can_never_start_are_refused(specs: tuple[ChildSpec, ...]) -> None:
    with pytest.raises(ConfigurationError):
        Supervisor(specs, CombinedLog(None, None))


PROGRAM = """
import asyncio, sys
from pathlib import Path
from worker.supervisor import Supervisor
from worker.supervisor_child import ChildSpec
from worker.supervisor_log import CombinedLog
from worker.up import stopped_by_signals

armed = Path(sys.argv[1])

async def is_armed(pid):
    return armed.exists()

def spec(name, script, **more):
    return ChildSpec(name=name, argv=("/bin/sh", "-c", script), environment={"PATH": "/usr/bin:/bin"}, stop_timeout_s=30, **more)

async def main():
    stop, kill = asyncio.Event(), asyncio.Event()
    stubborn = spec("stubborn", f"trap '' TERM INT; touch {armed}; while :; do sleep 1; done", ready=is_armed)
    supervisor = Supervisor([stubborn, spec("polite", "exec sleep 60")], CombinedLog(None, None))
    async def end():
        await kill.wait()
        supervisor.kill()
    async def tell():
        await supervisor.all_ready.wait()
        print(supervisor.pids["polite"], supervisor.pids["stubborn"], flush=True)
    helpers = [asyncio.create_task(end()), asyncio.create_task(tell())]
    with stopped_by_signals(stop, kill):
        code = await supervisor.run(stop)
    for helper in helpers:
        helper.cancel()
    return code

sys.exit(asyncio.run(main()))
"""


@asynccontextmanager
async def other_process() -> AsyncIterator[tuple[asyncio.subprocess.Process, list[int]]]:
    with tempfile.TemporaryDirectory() as folder:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", PROGRAM, f"{folder}/armed"), stdout=asyncio.subprocess.PIPE, cwd=REPOSITORY
        )
        assert process.stdout is not None
        try:
            pids = [int(word) for word in (await process.stdout.readline()).split()]
            assert len(pids) == 2
            yield process, pids
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def all_dead(pids: list[int], seconds: float) -> bool:
    for _ in range(int(seconds * 20)):
        if not any(alive(pid) for pid in pids):
            return True
        await asyncio.sleep(0.05)
    return False


async def test_killing_the_supervisor_itself_leaves_no_child() -> None:
    async with other_process() as (process, pids):
        process.kill()
        await process.wait()
        assert await all_dead(pids, 15)


async def test_one_interrupt_waits_for_the_slow_and_a_second_ends_them() -> None:
    async with other_process() as (process, (polite, stubborn)):
        process.send_signal(signal.SIGINT)
        assert await all_dead([polite], 10)
        assert alive(stubborn)
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 10) == 0
        assert await all_dead([polite, stubborn], 1)
