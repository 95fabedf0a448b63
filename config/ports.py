"""Loopback ports for servers that may be started again on the same port."""

import contextlib
import random
import socket
from pathlib import Path

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST = 10_000
_TRIES = 1_000


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, all different.

    They lie below the range from which the kernel gives outgoing connections theirs. A port from that range can be
    lost to any client between two starts of its server, and that start fails for as long as the client stays connected.
    """
    with contextlib.ExitStack() as held:
        return [_take(held) for _ in range(count)]


def _take(held: contextlib.ExitStack) -> int:
    chance = random.SystemRandom()
    above = _ephemeral_from()
    for _ in range(_TRIES if above > 2 * _LOWEST else 0):
        port = chance.randrange(_LOWEST, above)
        if _bound(held, port):
            return port
    one = held.enter_context(socket.socket())
    one.bind(("127.0.0.1", 0))
    return int(one.getsockname()[1])


def _bound(held: contextlib.ExitStack, port: int) -> bool:
    one = socket.socket()
    try:
        one.bind(("127.0.0.1", port))
    except OSError:
        one.close()
        return False
    held.enter_context(one)
    return True


def _ephemeral_from() -> int:
    try:
        return int(_RANGE.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 32_768
