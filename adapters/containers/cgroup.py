"""Limits of one session's processes by the kernel: a control group of its own, version 2 or 1. Standard library only.

Used where this process may make groups (root, or a delegated tree); elsewhere the runner measures instead.
"""

# pathlib costs more time than everything that happens here before the first model request.
# ruff: noqa: PTH103, PTH106, PTH110, PTH120, PTH123

import os
from collections.abc import Iterator

ROOT = "/sys/fs/cgroup"
_V1 = ("memory", "pids", "cpu")
_PERIOD_US = 100_000


class Group:
    """The control group of one session. `version` is 1 or 2; `folders` are its directories."""

    def __init__(self, version: int, folders: list[str]) -> None:
        self.version, self.folders = version, folders

    def limit(self, memory_bytes: int, pids: int, cpus: float) -> None:
        """Set all limits. Raises OSError where the kernel does not take one of the three.

        Processor time that was not used in one period may be used in the next: a program that begins on two processors
        is else held up in every one of its first, at the same time overall.
        """
        quota = int(cpus * _PERIOD_US)
        if self.version == 2:
            _write(self._path("memory.max"), memory_bytes)
            _write_if_there(self._path("memory.swap.max"), 0)
            _write(self._path("pids.max"), pids)
            _write(self._path("cpu.max"), f"{quota} {_PERIOD_US}")
            _write_if_there(self._path("cpu.max.burst"), quota)
            return
        _write(self._path("memory.limit_in_bytes"), memory_bytes)
        _write_if_there(self._path("memory.memsw.limit_in_bytes"), memory_bytes)
        _write(self._path("pids.max"), pids)
        _write(self._path("cpu.cfs_period_us"), _PERIOD_US)
        _write(self._path("cpu.cfs_quota_us"), quota)
        _write_if_there(self._path("cpu.cfs_burst_us"), quota)

    def join(self) -> None:
        """Put the calling process into the group; its children will be born there."""
        for folder in self.folders:
            _write(f"{folder}/cgroup.procs", os.getpid())

    def starved(self) -> bool:
        """Whether the kernel killed one of its processes for lack of memory."""
        return count(self._path("memory.events" if self.version == 2 else "memory.oom_control"), "oom_kill") > 0

    def refused(self) -> int:
        """How often one of its processes could not make another one."""
        return count(self._path("pids.events"), "max")

    def pids(self) -> list[int]:
        """Everything that is in it now."""
        try:
            with open(f"{self.folders[0]}/cgroup.procs", "rb") as f:
                return [int(line) for line in f.read().split()]
        except OSError:
            return []

    def remove(self) -> None:
        """Take the empty group away."""
        remove(self.folders)

    def _path(self, name: str) -> str:
        if self.version == 2:
            return f"{self.folders[0]}/{name}"
        return f"{self.folders[_V1.index(name.partition('.')[0])]}/{name}"


def make(name: str, memory_bytes: int, pids: int, cpus: float) -> Group | None:
    """A group with these limits; None where the kernel does not let us make one."""
    for version, folders in _places(name):
        group = Group(version, folders)
        try:
            for folder in folders:
                os.makedirs(folder, exist_ok=True)
            group.limit(memory_bytes, pids, cpus)
        except OSError:
            group.remove()
            continue
        return group
    return None


def remove(folders: list[str]) -> None:
    """Take empty groups away; what is not empty or not there stays as it is."""
    for folder in folders:
        try:
            os.rmdir(folder)
        except OSError:
            continue


def count(path: str, key: str) -> int:
    """The number beside `key` in one of the kernel's tables; 0 where there is none."""
    try:
        with open(path, encoding="ascii") as f:
            for line in f:
                name, _, value = line.partition(" ")
                if name == key:
                    return int(value)
    except (OSError, ValueError):
        return 0
    return 0


def let_burst(pid: int, container: str, cpus: float) -> bool:
    """As `Group.limit` for processor time, for the container of `pid`. False where the kernel or our rights forbid it.

    `container` is its id: a number of another machine's process must not lead to another group.
    """
    own = _groups_of(pid)
    path = f"{ROOT}/cpu{own['cpu']}/cpu.cfs_burst_us" if "cpu" in own else f"{ROOT}{own.get('', '')}/cpu.max.burst"
    if container not in path or not os.path.exists(path):
        return False
    try:
        _write(path, int(cpus * _PERIOD_US))
    except OSError:
        return False
    return True


def of_container() -> Group:
    """The group of the container that this process runs in: to be read, not written."""
    if os.path.exists(f"{ROOT}/cgroup.controllers"):
        return Group(2, [ROOT])
    return Group(1, [f"{ROOT}/{controller}" for controller in _V1])


def _places(name: str) -> Iterator[tuple[int, list[str]]]:
    """Where a group could be made: in version 2 below the nearest of our own groups that hands on its controllers."""
    own = _groups_of("self")
    path = own.get("")
    while path is not None and os.path.exists(f"{ROOT}/cgroup.controllers"):
        if _hands_on(ROOT + path):
            yield 2, [f"{ROOT}{path.rstrip('/')}/{name}"]
        path = None if path == "/" else os.path.dirname(path)
    if all(controller in own for controller in _V1):
        yield 1, [f"{ROOT}/{controller}/{name}" for controller in _V1]


def _groups_of(pid: int | str) -> dict[str, str]:
    """Path by controller; "" is version 2."""
    found: dict[str, str] = {}
    try:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8") as f:
            for line in f:
                _, controllers, path = line.rstrip("\n").split(":", 2)
                found |= dict.fromkeys(controllers.split(","), path)
    except (OSError, ValueError):
        return {}
    return found


def _hands_on(folder: str) -> bool:
    try:
        with open(f"{folder}/cgroup.subtree_control", encoding="ascii") as f:
            return {"memory", "pids", "cpu"} <= set(f.read().split()) and os.access(f"{folder}/cgroup.procs", os.W_OK)
    except OSError:
        return False


def _write(path: str, value: object) -> None:
    with open(path, "w", encoding="ascii") as f:
        f.write(str(value))


def _write_if_there(path: str, value: object) -> None:
    try:
        _write(path, value)
    except OSError:
        return  # a kernel that does not account swap
