"""Whether the pid in `postmaster.pid` really is a server on these data.

PostgreSQL believes a number that belongs to any live process of the same user (after a reboot that is ordinary) and
refuses to start. We look at the process itself. A file whose process is dead stays: PostgreSQL reads from it
whether forgotten backends still use the shared memory, and removing it would switch that protection off.
"""

import asyncio
from pathlib import Path

from config import processes
from domain.errors import ConfigurationError, RecordUnavailableError

_PROGRAMS = frozenset({"postgres", "postmaster"})


def recorded_pid(data: Path) -> int | None:
    """The postmaster's number as it was written at its start."""
    try:
        return abs(int((data / "postmaster.pid").read_text(encoding="utf-8", errors="replace").split("\n", 1)[0]))
    except (OSError, ValueError):
        return None


def is_server(pid: int, data: Path) -> bool:
    """Whether this process is PostgreSQL and works on these data."""
    words = processes.arguments(pid)
    if not words:
        return False
    program = Path(words[0].split(" ")[0].rstrip(":")).name
    return program in _PROGRAMS and (processes.working_directory(pid) == data.resolve() or str(data) in words)


def servers_on(data: Path) -> tuple[int, ...]:
    """Every PostgreSQL process (postmaster or backend) on these data."""
    return tuple(pid for pid in processes.every_pid() if is_server(pid, data))


async def clear(data: Path, sockets: Path, patience_s: float = 10.0) -> None:
    """Remove a pid file that lies. Raises ConfigurationError for a server that really runs."""
    pid = recorded_pid(data)
    if pid is not None and is_server(pid, data):
        raise ConfigurationError(
            f"PostgreSQL already runs on {data}: {processes.describe(pid)}; stop it with `kill -INT {pid}`"
        )
    if pid is not None and processes.exists(pid):
        await _wait_for_backends(data, patience_s)
        (data / "postmaster.pid").unlink(missing_ok=True)
    # The socket's own lock file names the same pid. It protects nothing that our lock and the data's file do not.
    for leftover in sockets.glob(".s.PGSQL.*"):
        leftover.unlink(missing_ok=True)


async def _wait_for_backends(data: Path, patience_s: float) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience_s
    while left := servers_on(data):
        if loop.time() > deadline:
            shown = ", ".join(processes.describe(p) for p in left)
            raise RecordUnavailableError(
                f"processes of a killed PostgreSQL still work on {data}: {shown}; wait, or end them"
            )
        await asyncio.sleep(0.1)
