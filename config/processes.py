"""Facts about processes of this machine, and what a child does between fork and exec."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

PROC = Path("/proc")
_PR_SET_PDEATHSIG = 1
_LIBC: ctypes.CDLL | None = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(signum: signal.Signals) -> Callable[[], None] | None:
    """A `preexec_fn` that makes the kernel send `signum` to the child when the forking thread ends.

    Fork from the main thread: the kernel watches the thread, not the process. A set-uid program clears it.
    None where the system has no such thing (macOS): there, a child survives a killed parent.
    """
    libc = _LIBC
    if libc is None:
        return None
    parent = os.getpid()

    def between_fork_and_exec() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(signum), 0, 0, 0)
        # The parent may have died before the line above took effect; then no signal would ever come.
        if os.getppid() != parent:
            os._exit(1)

    return between_fork_and_exec


def arguments(pid: int) -> tuple[str, ...]:
    """The command line of a live process; empty for a dead one, a zombie or a kernel thread."""
    if PROC.joinpath("self").exists():
        try:
            raw = PROC.joinpath(str(pid), "cmdline").read_bytes()
        except OSError:
            return ()
        return tuple(part.decode(errors="replace") for part in raw.rstrip(b"\0").split(b"\0") if part)
    shown = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return tuple(shown.stdout.split())


def working_directory(pid: int) -> Path | None:
    """Where a process stands; None where that cannot be known."""
    try:
        return Path(PROC.joinpath(str(pid), "cwd").readlink())
    except OSError:
        return None


def every_pid() -> tuple[int, ...]:
    """All processes that this machine shows; empty without /proc."""
    if not PROC.is_dir():
        return ()
    return tuple(int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())


def exists(pid: int) -> bool:
    """Whether the number is taken, be it by a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def describe(pid: int) -> str:
    """`pid 123 (postgres -D /x)`, cut short, for a message to a person."""
    words = " ".join(arguments(pid))
    limit = 80
    return f"pid {pid} ({words[:limit]}{'...' if len(words) > limit else ''})" if words else f"pid {pid}"
