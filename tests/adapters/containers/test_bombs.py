"""Sessions that use up what they can: each is bounded, told apart by its reason, and leaves nothing behind.

`pytest tests/adapters/containers/test_bombs.py -s` prints the table.
"""

import json
import sys
import uuid
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from domain.ports import Limits
from tests.adapters.containers.conftest import BOTH, Bench, Make, bench, docker_engine, make, processes_with

__all__ = ["BOTH", "Make", "bench", "docker_engine", "make"]

PY = "exec /usr/bin/python3 -I -c '{}'"
SMALL = Limits(memory_mb=128, pids=40, disk_mb=64)


class Bomb(NamedTuple):
    """`script` may hold MARK, the number by which what it leaves behind would be found."""

    name: str
    script: str
    reasons: set[str]
    timeout_s: float = 30


BOMBS = (
    Bomb("memory", PY.format('x = [bytearray(b"x" * (8 << 20)) for _ in range(60)]'), {"oom"}),
    Bomb("fork", "i=0; while [ $i -lt 90 ]; do sleep MARK & i=$((i+1)); done; wait", {"pids"}),
    Bomb("disk: one file", "head -c 400000000 /dev/zero >fill; sleep MARK", {"disk"}),
    Bomb("disk: many files", PY.format('import itertools\nfor i in itertools.count(): open(str(i), "w").close()'), {"disk"}),
    Bomb(
        "disk: a file without a name",
        PY.format('import os,time\nf = open("x", "wb"); os.unlink("x")\nf.write(bytes(200 << 20)); f.flush(); time.sleep(60)'),
        {"disk"},
    ),
    Bomb("disk: a folder that nobody may look into", "mkdir a; head -c 100000000 /dev/zero >a/b; chmod 0 a; sleep MARK", {"disk"}),
    Bomb("scratch space", "head -c 900000000 /dev/zero >/tmp/fill; echo ended >&2; exit 4", {"exited", "oom"}),
    Bomb("flood of words", "cat /dev/zero", {"flood"}),
    Bomb("flood of errors", "head -c 60000000 /dev/zero >&2; exit 3", {"exited"}),
    Bomb("never ends after its result", 'echo "{}"; exec sleep MARK', {"timeout"}, 2),
    Bomb("never says anything", "exec sleep MARK", {"timeout"}, 2),
    Bomb("ignores SIGTERM, and so does its child", "trap '' TERM; (trap '' TERM; sleep MARK); sleep MARK", {"timeout"}, 1),
    Bomb("orphan, forked twice", "(setsid sh -c 'trap \"\" TERM; sleep MARK &' &); sleep 0.3; exit 0", {"exited"}),
)  # fmt: skip


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
    state = await bench.end(handle)
    told = json.loads((launch.folder.attempt(1) / "exit.json").read_text())["detail"]
    sys.stdout.write(f"{bench.engine.name:<10} {bomb.name:<40} {state.reason:<8} {state.code!s:<5} {told}\n")
    assert state.reason in bomb.reasons, state
    assert _left(handle.session, mark) == []
    assert sum(f.stat().st_size for f in launch.folder.attempt(1).iterdir()) < 140 << 20
