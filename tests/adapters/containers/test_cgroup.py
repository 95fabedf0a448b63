"""Control groups of version 2, on a made-up tree: where a group is made, and what is written into it."""

from pathlib import Path

import pytest

from adapters.containers import cgroup


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As under systemd with a delegated unit: the unit's own group has processes, so only the one above hands on."""
    monkeypatch.setattr(cgroup, "ROOT", str(tmp_path))
    monkeypatch.setattr(cgroup, "_own_groups", lambda: {"": "/user.slice/unit/worker"})
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
    written = {name: (folder / name).read_text() for name in ("memory.max", "pids.max", "cpu.max")}
    assert written == {"memory.max": str(64 << 20), "pids.max": "40", "cpu.max": "50000 100000"}


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
