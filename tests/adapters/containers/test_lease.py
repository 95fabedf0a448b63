"""Which sessions are kept alive by a worker."""

import asyncio
import os
import time
from pathlib import Path

from adapters.containers import files
from adapters.containers.lease import LeaseKeeper

LONG_AGO = 1_000_000_000


def session(root: Path, name: str, *attempts: str) -> Path:
    """A session's folder; each attempt is `running` or `ended`."""
    folder = root / name
    for number, state in enumerate(attempts, 1):
        attempt = folder / "attempts" / str(number)
        attempt.mkdir(parents=True)
        (attempt / files.PROCESS).write_text("{}")
        if state == "ended":
            (attempt / files.EXIT).write_text("{}")
    lease = folder / files.LEASE
    lease.touch()
    os.utime(lease, (LONG_AGO, LONG_AGO))
    return lease


def renewed(lease: Path) -> bool:
    return lease.stat().st_mtime > LONG_AGO


def test_it_renews_running_sessions_only(tmp_path: Path) -> None:
    running = session(tmp_path, "a", "running")
    resumed = session(tmp_path, "b", "ended", "running")
    ended = session(tmp_path, "c", "ended", "ended")
    (tmp_path / "d").mkdir()
    (tmp_path / "stray-file").touch()
    assert LeaseKeeper().renew(tmp_path) == 2
    assert (renewed(running), renewed(resumed), renewed(ended)) == (True, True, False)


def test_a_session_that_is_resumed_is_noticed(tmp_path: Path) -> None:
    keeper = LeaseKeeper()
    lease = session(tmp_path, "a", "ended")
    assert keeper.renew(tmp_path) == 0
    (tmp_path / "a" / "attempts" / "2").mkdir()
    assert keeper.renew(tmp_path) == 1
    assert renewed(lease)


def test_a_session_that_begins_in_the_moment_of_a_look_is_noticed(tmp_path: Path) -> None:
    """Kernels before 6.13 date changes by a clock of some milliseconds: two in one of its ticks look like one."""
    keeper = LeaseKeeper()
    attempts = tmp_path / "a" / "attempts"
    attempts.mkdir(parents=True)
    tick = attempts.stat().st_mtime_ns
    assert keeper.renew(tmp_path) == 0
    (attempts / "1").mkdir()
    os.utime(attempts, ns=(tick, tick))
    assert keeper.renew(tmp_path) == 1
    assert renewed(tmp_path / "a" / files.LEASE)


def test_a_folder_that_is_not_there_yet_is_no_fault(tmp_path: Path) -> None:
    assert LeaseKeeper().renew(tmp_path / "none") == 0


async def test_a_blocked_event_loop_does_not_end_sessions(tmp_path: Path) -> None:
    lease = session(tmp_path, "a", "running")
    stop = asyncio.Event()
    keeping = asyncio.create_task(LeaseKeeper(renew_s=0.05).run(tmp_path, stop))
    await asyncio.sleep(0.2)
    os.utime(lease, (LONG_AGO, LONG_AGO))
    time.sleep(0.5)
    assert renewed(lease)
    stop.set()
    await keeping
    os.utime(lease, (LONG_AGO, LONG_AGO))
    await asyncio.sleep(0.2)
    assert not renewed(lease)
