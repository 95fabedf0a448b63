"""Control groups of version 2, on a made-up tree: where a group is made, and what is written into it."""

import asyncio
from pathlib import Path
from typing import cast

import pytest

from adapters.containers import attempt, cgroup
from domain.session import Limits
from tests.adapters.containers.conftest import Bench

BUSY = """exec /usr/bin/python3 -c "
import time
began = time.monotonic()
while time.monotonic() - began < 2: pass
print(time.process_time())
" """


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As under systemd with a delegated unit: the unit's own group has processes, so only the one above hands on."""
    monkeypatch.setattr(cgroup, "ROOT", str(tmp_path))
    monkeypatch.setattr(cgroup, "_groups_of", lambda _: {"": "/user.slice/unit/worker"})
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids")
    for folder, hands_on in (
        ("user.slice", ""),
        ("user.slice/unit", "cpu memory pids"),
        ("user.slice/unit/worker", ""),
    ):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "cgroup.subtree_control").write_text(hands_on)
        (tmp_path / folder / "cgroup.procs").write_text("")
    return tmp_path


def test_a_group_is_made_below_the_nearest_that_hands_on_and_bounds_all_three(tree: Path) -> None:
    group = cgroup.make("tiercel-x", 64 << 20, 40, 0.5)
    assert group is not None
    folder = tree / "user.slice/unit/tiercel-x"
    assert (group.version, group.folders) == (2, [str(folder)])
    names = ("memory.max", "pids.max", "cpu.max", "cpu.max.burst")
    written = {name: (folder / name).read_text() for name in names}
    limits = {"memory.max": str(64 << 20), "pids.max": "40", "cpu.max": "50000 100000"}
    assert written == {**limits, "cpu.max.burst": "50000"}


def test_what_the_kernel_counted_tells_why_it_ended(tree: Path) -> None:
    group = cgroup.make("tiercel-x", 64 << 20, 40, 0.5)
    assert group is not None
    folder = Path(group.folders[0])
    assert (group.starved(), group.refused()) == (False, 0)
    (folder / "memory.events").write_text("low 0\nhigh 0\nmax 31\noom 1\noom_kill 1\n")
    (folder / "pids.events").write_text("max 7\n")
    assert (group.starved(), group.refused()) == (True, 7)


def test_where_nobody_hands_on_there_is_no_group(tree: Path) -> None:
    (tree / "user.slice/unit/cgroup.subtree_control").write_text("memory")
    assert cgroup.make("tiercel-x", 64 << 20, 40, 0.5) is None


async def test_processor_time_is_bounded_on_the_whole_and_not_in_the_first_moment(bench: Bench) -> None:
    launch = bench.launch(BUSY)
    handle = await bench.engine.start_or_attach(launch.model_copy(update={"limits": Limits(cpus=0.2)}))
    files = await _burst_files(bench, handle.identity, launch.folder.attempt(1))
    assert (await bench.end(handle)).code == 0
    assert float(await bench.output(handle)) < 0.2 * 2 + 0.2, "without a limit it would be up to 2 s"
    assert set(files.values()) <= {"20000"}
    if Path("/sys/fs/cgroup/cpu/cpu.cfs_burst_us").exists():
        assert files


async def _burst_files(bench: Bench, identity: str, folder: Path) -> dict[str, str]:
    """What the kernel was told, while the session runs."""
    if bench.engine.name == "container":
        found = Path("/sys/fs/cgroup").glob(f"cpu/**/*{identity}*/cpu.cfs_burst_us")
    else:
        async with asyncio.timeout(20):
            while not (who := attempt.started(folder)) or "groups" not in who:
                await asyncio.sleep(0.01)
        groups = cast("list[str]", who["groups"])
        found = (path for group in groups for path in Path(group).glob("cpu.*burst*"))
    return {str(path): path.read_text().strip() for path in found}
