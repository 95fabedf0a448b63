"""Ends what the manager started when the manager is gone, however it went.

Run as a file of its own with nothing imported but the standard library. Its standard input is a pipe from the
manager: lines "<pid> <start time>" name the units' processes, the newest line of a number counts; the end of the pipe
means that the manager is dead. The kernel's parent-death signal is not enough: a halted process does not see it, and
it does not reach a process's own children.
"""

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

GRACE_S = 1.5


def _stat(pid: int) -> tuple[str, int, int] | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return fields[0], int(fields[1]), int(fields[19])


def _descendants(roots: dict[int, int]) -> dict[int, int]:
    rows = {int(e.name): _stat(int(e.name)) for e in Path("/proc").iterdir() if e.name.isdigit()}
    found = {p: s for p, s in roots.items() if (row := rows.get(p)) is not None and row[2] == s}
    grew = True
    while grew:
        fresh = {p: row[2] for p, row in rows.items() if row is not None and row[1] in found and p not in found}
        found |= fresh
        grew = bool(fresh)
    return found


def _living(processes: dict[int, int]) -> list[int]:
    return [p for p, s in processes.items() if (row := _stat(p)) is not None and row[2] == s and row[0] not in "ZX"]


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    roots: dict[int, int] = {}
    for line in sys.stdin:
        pid, start = line.split()
        roots[int(pid)] = int(start)
    doomed = _descendants(roots)
    for pid in _living({p: s for p, s in doomed.items() if p in roots}):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + GRACE_S
    while _living(doomed) and time.monotonic() < end:
        time.sleep(0.05)
    for pid in _living(doomed):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


main()
