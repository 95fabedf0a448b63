"""A process with everything below it, told apart from later owners of the same numbers."""

import os
import signal
from contextlib import suppress
from pathlib import Path

from domain.base import Value


class Pid(Value):
    """A process: number and start time (clock ticks since boot)."""

    pid: int
    start: int

    @property
    def identity(self) -> str:
        """As it stands in TargetState.identity."""
        return f"{self.pid}:{self.start}"


def stat_of(pid: int) -> tuple[str, int, int] | None:
    """(state letter, parent, start time), or None for a process that is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return fields[0], int(fields[1]), int(fields[19])


def named(pid: int) -> Pid | None:
    """The process that has this number now; None for none or a zombie."""
    seen = stat_of(pid)
    return None if seen is None or seen[0] in "ZX" else Pid(pid=pid, start=seen[2])


def alive(process: Pid) -> bool:
    """Whether this very process still runs."""
    return named(process.pid) == process


def is_stopped(process: Pid) -> bool:
    """Whether it was halted by SIGSTOP."""
    seen = stat_of(process.pid)
    return seen is not None and seen[2] == process.start and seen[0] in "Tt"


def below(root: Pid) -> list[Pid]:
    """The process and all of its descendants, parents first."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            seen = stat_of(int(entry.name))
            if seen is not None:
                parents.setdefault(seen[1], []).append(int(entry.name))
    found, todo = [root], [root.pid]
    while todo:
        for child in parents.get(todo.pop(), []):
            process = named(child)
            if process is not None:
                found.append(process)
                todo.append(child)
    return found


def send(processes: list[Pid], number: signal.Signals) -> None:
    """Signal those that are still the same processes."""
    for process in processes:
        if alive(process):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process.pid, number)
