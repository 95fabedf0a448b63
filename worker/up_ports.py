"""Which ports are taken, and by whom."""

import contextlib
import errno
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from config import processes
from config.settings import Settings, variable_of

_LISTEN = "0A"
_PLACES = {variable_of("web_port"): variable_of("web_host")}  # where the address is a variable of its own


@dataclass(frozen=True)
class Taken:
    """A port that we need and cannot have. `foreign`: the address, where it is none of this machine's."""

    port: int
    use: str
    variable: str
    holder: str
    foreign: str = ""

    @property
    def cause(self) -> str:
        """Why we cannot have it."""
        if self.foreign:
            return f"{self.foreign} is no address of this machine"
        return f"taken by {self.holder or 'a process of another user'}"

    @property
    def fix(self) -> str:
        """What to do."""
        if self.foreign:
            return f"set {self.variable} to one that `ip address` shows"
        return f"stop it, or set {self.variable} to a free port"

    def __str__(self) -> str:
        return f"port {self.port} ({self.use}){':' if self.foreign else ' is'} {self.cause}; {self.fix}"


def needed(settings: Settings) -> tuple[tuple[str, int, str, str], ...]:
    """(host, port, use, variable) of every TCP port that `up` will open."""
    if settings.gateway_url:
        return ()  # everything that listens is on the other machine
    ports = [(settings.web_host, settings.web_port, "dashboard", variable_of("web_port"))]
    if settings.entrance is not None:
        ports.append((*settings.entrance, "other machines' sessions", variable_of("gateway_listen")))
    if not settings.temporal_address:
        ports += [
            ("127.0.0.1", settings.temporal_port, "Temporal", variable_of("temporal_port")),
            ("127.0.0.1", settings.temporal_ui_port, "Temporal UI", variable_of("temporal_ui_port")),
        ]
    return tuple(ports)


def taken(settings: Settings) -> tuple[Taken, ...]:
    """Every needed port that somebody else listens on, or that we need twice."""
    found: list[Taken] = []
    seen: dict[int, str] = {}
    for host, port, use, variable in needed(settings):
        if port in seen:
            found.append(Taken(port, use, variable, f"our own {seen[port]}"))
        elif trouble := _trouble(host, port):
            if trouble == errno.EADDRNOTAVAIL:
                found.append(Taken(port, use, _PLACES.get(variable, variable), "", host))
            else:
                found.append(Taken(port, use, variable, holder(port)))
        seen[port] = use
    return tuple(found)


def _trouble(host: str, port: int) -> int:
    """The error number where no server could listen there now; 0 where one could."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that are closing do not count
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as e:
            return e.errno or errno.EADDRINUSE
    return 0


def holder(port: int) -> str:
    """`pid 12 (nginx ...)` of the listener; empty where we may not see it."""
    inodes = _listening_inodes(port)
    if not inodes:
        return ""
    for pid in processes.every_pid():
        if any(target in inodes for target in _open_files(pid)):
            return processes.describe(pid)
    return ""


def _open_files(pid: int) -> Iterator[str]:
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):  # closed since it was listed
                yield entry.readlink().name


def _listening_inodes(port: int) -> frozenset[str]:
    inodes: set[str] = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/net/{table}").read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for fields in (line.split() for line in lines):
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    return frozenset(inodes)
