"""The world beyond a door: names to addresses, addresses to connections. A port, so that tests can stand for it."""

import asyncio
import socket
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import structlog

log = structlog.get_logger("gateway.outside")

_FIB = Path("/proc/net/fib_trie")
_V6 = Path("/proc/net/if_inet6")


class Outside(Protocol):
    """What the egress proxy needs of the network."""

    async def resolve(self, host: str) -> tuple[str, ...]:
        """All addresses of a name. Raises OSError where it has none."""
        ...

    async def dial(self, address: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to exactly this address. Raises OSError."""
        ...

    def own(self) -> frozenset[str]:
        """The addresses of this machine."""
        ...


class RealOutside:
    """The machine's resolver and network."""

    async def resolve(self, host: str) -> tuple[str, ...]:
        """See Outside. The resolver is the gateway's: a session asks nobody."""
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))

    async def dial(self, address: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """See Outside. `address` is no name, so nothing is asked again."""
        return await asyncio.open_connection(address, port)

    def own(self) -> frozenset[str]:
        """See Outside. What cannot be read is left out: private addresses are refused in any case."""
        return frozenset((*_own_v4(), *_own_v6()))


def _own_v4() -> list[str]:
    """The kernel's table names an address, and below it what it is."""
    found: list[str] = []
    try:
        lines = _FIB.read_text(encoding="ascii").splitlines()
    except OSError as e:
        log.warning("own addresses are not known", error=str(e))
        return found
    for line, following in pairwise(lines):
        if "host LOCAL" in following and "|--" in line:
            found.append(line.rpartition(" ")[2])
    return found


def _own_v6() -> list[str]:
    try:
        lines = _V6.read_text(encoding="ascii").splitlines()
    except OSError:
        return []  # a machine without IPv6
    return [socket.inet_ntop(socket.AF_INET6, bytes.fromhex(line.split()[0])) for line in lines]
