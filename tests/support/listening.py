"""Which addresses a process listens on, read from the kernel."""

import ipaddress
import socket
from pathlib import Path

_LISTEN = "0A"


def addresses(pid: int) -> list[tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]]:
    """Every TCP address and port that the process listens on, in its own network namespace."""
    inodes = _sockets(pid)
    return [_address(row[1]) for row in _table(pid) if row[3] == _LISTEN and row[9] in inodes]


def _sockets(pid: int) -> set[str]:
    found: set[str] = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(link.readlink())
        except OSError:
            continue  # closed meanwhile
        if target.startswith("socket:["):
            found.add(target[8:-1])
    return found


def _table(pid: int) -> list[list[str]]:
    rows: list[list[str]] = []
    for name in ("tcp", "tcp6"):
        file = Path(f"/proc/{pid}/net/{name}")
        if file.exists():
            rows += [line.split() for line in file.read_text(encoding="ascii").splitlines()[1:]]
    return rows


def _address(text: str) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]:
    host, _, port = text.partition(":")
    # The kernel prints each 32-bit word in the order of this machine.
    words = [int(host[i : i + 8], 16) for i in range(0, len(host), 8)]
    address = ipaddress.ip_address(b"".join(socket.htonl(word).to_bytes(4, "big") for word in words))
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address, int(port, 16)
