"""Sessions that use up what they can: each is bounded, told apart by its reason, and leaves nothing behind.

`pytest tests/adapters/containers/test_bombs.py -s` prints the table.
"""

import sys
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from activities.follow import follow
from activities.output import OutputCopy
from activities.watchdog import EXIT_GRACE, SILENCE
from claude.result import classify
from domain.ids import SessionId
from domain.ports import Limits
from domain.session import OutputLine
from tests.adapters.containers.conftest import BOTH, Bench, Make, bench, docker_engine, make, processes_with

__all__ = ["BOTH", "Make", "bench", "docker_engine", "make"]

PY = "exec /usr/bin/python3 -I -c '{}'"
SMALL = Limits(memory_mb=128, pids=40, disk_mb=64)
RESULT = (
    '{"type":"result","subtype":"success","terminal_reason":"completed","structured_output":{"summary":"all is well"}}'
)


class Bomb(NamedTuple):
    """`script` may hold MARK, by which what it leaves behind would be found. `words`: what people are told."""

    name: str
    script: str
    reason: str
    words: str
    timeout_s: float = 30


BOMBS = (
    Bomb("memory", PY.format('x = [bytearray(b"x" * (8 << 20)) for _ in range(60)]; import time; time.sleep(60)'), "oom", "ran out of memory"),
    Bomb("memory: two gigabytes at once", PY.format('x = b"x" * (2 << 30); import time; time.sleep(60)'), "oom", "ran out of memory"),
    Bomb("memory: by many, each within the limit", PY.format(
        'import os, sys, time\nfor _ in range(6):\n if not os.fork(): x = b"x" * (40 << 20); time.sleep(60)\nsys.exit(os.wait()[1] != 0)'), "oom", "ran out of memory"),
    Bomb("memory: files that are on no disk", PY.format(
        'import os, time\nf = os.memfd_create("x")\nfor _ in range(300): os.write(f, bytes(1 << 20))\ntime.sleep(60)'), "oom", "ran out of memory"),
    Bomb("forks that end when refused", "i=0; while [ $i -lt 90 ]; do sleep MARK & i=$((i+1)); done; wait", "pids", "more processes"),
    Bomb("forks that never give up", PY.format(
        "import os\nwhile True:\n try:\n  if not os.fork():\n   while True: pass\n except OSError: pass"), "pids", "more processes"),
    Bomb("disk: one file", "head -c 400000000 /dev/zero >fill; sleep MARK", "disk", "filled its disk"),
    Bomb("disk: many files", PY.format('import itertools\nfor i in itertools.count(): open(str(i), "w").close()'), "disk", "filled its disk"),
    Bomb("disk: a file without a name", PY.format(
        'import os,time\nf = open("x", "wb"); os.unlink("x")\nf.write(bytes(200 << 20)); f.flush(); time.sleep(60)'), "disk", "filled its disk"),
    Bomb("disk: a folder that nobody may look into", "mkdir a; head -c 100000000 /dev/zero >a/b; chmod 0 a; sleep MARK", "disk", "filled its disk"),
    Bomb("flood of words", "cat /dev/zero", "flood", "said more than it may"),
    Bomb("flood of errors", "head -c 60000000 /dev/zero >&2; exit 3", "exited", "exit code 3"),
    Bomb("never ends after its result", f"echo '{RESULT}'; exec sleep MARK", "lingered", "all is well"),
    Bomb("never says anything", "exec sleep MARK", "silent", "said nothing for too long"),
    Bomb("takes too long", "while :; do echo working; sleep 0.1; done", "timeout", "used up its time", 1),
    Bomb("processor time", PY.format("while True: pass"), "timeout", "used up its time", 1),
    Bomb("ignores SIGTERM, and so does its child", "trap '' TERM; (trap '' TERM; sleep MARK); sleep MARK", "timeout", "used up its time", 1),
    Bomb("orphan, forked twice", "(setsid sh -c 'trap \"\" TERM; sleep MARK &' &); sleep 0.3; exit 0", "exited", "without a result"),
)  # fmt: skip


class Shelf:
    """The record, as far as following a session needs it."""

    async def last_seq(self, session: SessionId, attempt: int) -> int:
        return 0

    async def append_output(self, session: SessionId, attempt: int, lines: Sequence[OutputLine]) -> None:
        return None


class Clock:
    """Goes on by `step` with each look."""

    def __init__(self, step: timedelta) -> None:
        self._now = datetime(2026, 3, 1, tzinfo=UTC)
        self._step = step

    def now(self) -> datetime:
        self._now += self._step
        return self._now


def _left(session: str, mark: str) -> list[Any]:
    """Processes, control groups and mounts that still carry the session's name."""
    groups = [*Path("/sys/fs/cgroup").glob(f"*{session}*"), *Path("/sys/fs/cgroup").glob(f"*/*{session}*")]
    mounts = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if session in line]
    return [*processes_with(mark), *processes_with(session), *groups, *mounts]


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb.name)
async def test_a_bomb_is_bounded_told_apart_and_cleaned(bench: Bench, bomb: Bomb) -> None:
    mark = f"60.{uuid.uuid4().int % 10**9}"
    launch = bench.launch(bomb.script.replace("MARK", mark), limits=SMALL, timeout_s=bomb.timeout_s)
    handle = await bench.engine.start_or_attach(launch)
    clock = Clock({"silent": SILENCE, "lingered": EXIT_GRACE}.get(bomb.reason, timedelta()))
    copy = OutputCopy(Shelf(), handle.session, 1, lambda text: text, clock)  # pyright: ignore[reportArgumentType]
    if bomb.reason == "flood":
        state = await bench.end(handle)  # following it would only take time
    else:
        state = await follow(bench.engine, handle, copy, clock)
    told = classify(copy.reader.result, state)
    sys.stdout.write(f"\n{bench.engine.name:<9} {bomb.name:<41} {state.reason:<8} {state.code!s:<4} {told.message}")
    assert (state.reason, bomb.words in told.message) == (bomb.reason, True), (state, told)
    assert await bench.engine.exited(handle) == state
    assert _left(handle.session, mark) == []
    assert sum(f.stat().st_size for f in launch.folder.attempt(1).iterdir()) < 140 << 20
