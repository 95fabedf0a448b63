"""Who plays: every process of one home, found from outside by /proc, and ended without asking anybody."""

import os
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from adapters.containers import files
from adapters.containers.container_spec import RUNNER_INSIDE
from config import processes
from domain.ports import SessionFolder

SERVICES = ("gateway", "worker", "web")
SERVERS = ("postgres", "temporal")
CHILDREN = (*SERVERS, *SERVICES)


@dataclass(frozen=True)
class Player:
    """One process; `start` makes sure that its number still means it."""

    name: str
    pid: int
    start: str

    @property
    def alive(self) -> bool:
        """Whether it still runs (a zombie does not)."""
        return files.start_time(self.pid) == self.start

    def kill(self) -> bool:
        """SIGKILL. False where it was gone already."""
        if not self.alive:
            return False
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True


def player(name: str, pid: int) -> Player | None:
    """A live process under this name."""
    start = files.start_time(pid)
    return None if start is None else Player(name, pid, start)


def children(up: int) -> dict[str, Player]:
    """The supervisor's own children, by the name that the supervisor gives them."""
    found: dict[str, Player] = {}
    for pid in files.children(up):
        name = _name(processes.arguments(pid))
        seen = player(name, pid) if name else None
        if seen is not None:
            found[name] = seen
    return found


def _name(argv: tuple[str, ...]) -> str:
    if len(argv) > 2 and argv[1] == "-m" and argv[2] in SERVICES:
        return argv[2]
    if "start-dev" in argv:
        return "temporal"
    return "postgres" if argv and Path(argv[0]).name == "postgres" else ""


def doubled(home: Path) -> list[str]:
    """Names of our own processes that run more than once on this home."""
    names = [_name(processes.arguments(pid)) for pid in everybody(home)]
    return [name for name in SERVICES if names.count(name) > 1]


def runners(home: Path) -> list[Player]:
    """The processes that keep sessions: children of nobody, or the first ones of containers."""
    found: dict[int, Player] = {}
    for pid in processes.every_pid():
        seen = player("runner", pid) if _keeps(processes.arguments(pid), home / "sessions") else None
        if seen is not None:
            found[pid] = seen
    # Between fork and exec a child still shows its parent's command line.
    below = {pid for p in found.values() for pid in files.descendants(p.pid)}
    return [p for p in found.values() if p.pid not in below]


def clis(home: Path, sessions: Iterable[str] | None = None) -> list[Player]:
    """The Claude Code processes that run now: of all sessions, or of these."""
    wanted = None if sessions is None else set(sessions)
    found: dict[int, Player] = {}
    for runner in runners(home):
        for pid in files.descendants(runner.pid):
            argv = processes.arguments(pid)
            seen = player("cli", pid)
            is_cli = "--output-format" in argv and Path(argv[0]).name != "bwrap"
            if is_cli and seen is not None and (wanted is None or wanted & set(argv)):
                found[pid] = seen
    return list(found.values())


def spares(home: Path) -> list[Player]:
    """Runners that wait for a session."""
    found = [
        player("spare", pid) for pid in processes.every_pid() if _waits(processes.arguments(pid), home / "sessions")
    ]
    seen = {p.pid: p for p in found if p is not None}
    below = {pid for p in seen.values() for pid in files.descendants(p.pid)}
    return [p for p in seen.values() if p.pid not in below]


def _spare(argv: tuple[str, ...], sessions: Path) -> SessionFolder | None:
    """A runner that waits, or waited, names its pipe by path; in a container by the path inside, and then itself."""
    for word in argv:
        if word.endswith(f"/{files.GO}") and word.startswith(f"{sessions}/"):
            return SessionFolder(root=Path(word).parents[2])
        if word.endswith(f"/{files.GO}") and word.startswith(RUNNER_INSIDE) and (sessions / argv[-1]).is_dir():
            return SessionFolder(root=sessions / argv[-1])
    return None


def _waits(argv: tuple[str, ...], sessions: Path) -> bool:
    folder = _spare(argv, sessions)
    return folder is not None and (folder.attempt(1) / files.GO).exists()


def _keeps(argv: tuple[str, ...], sessions: Path) -> bool:
    """A runner names its order by path; in a container by the path inside, and then its session.

    One that waited was given away with its folder.
    """
    if _spare(argv, sessions) is not None:
        return not _waits(argv, sessions)
    orders = [word for word in argv if word.endswith(f"/{files.LAUNCH}")]
    if any(word.startswith(f"{sessions}/") for word in orders):
        return True
    return any(word.startswith(RUNNER_INSIDE) for word in orders) and (sessions / argv[-1]).is_dir()


def everybody(home: Path) -> dict[int, str]:
    """Every live process whose command line, environment or folder belongs to this home, but not the caller."""
    bases = [str(home)]
    location = home / "postgres" / "location"
    if location.exists():
        bases.append(location.read_text(encoding="utf-8").strip())
    found: dict[int, str] = {}
    for pid in processes.every_pid():
        words = " ".join(processes.arguments(pid))
        if not words or pid == os.getpid():
            continue
        seen = f"{words}\n{_environ(pid)}\n{processes.working_directory(pid)}"
        if any(base in seen for base in bases):
            found[pid] = words[:160]
    return found


def _environ(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
    except OSError:
        return ""
