"""Ports of the demo's services: free ones at the first start, the same ones later as long as they are free."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from config.ports import free_ports


def choose(file: Path, names: tuple[str, ...]) -> dict[str, int]:
    """A port per name, remembered in `file`."""
    try:
        known: dict[str, int] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    fresh = iter(free_ports(len(names)))
    with ExitStack() as held:
        ports = {name: _take(held, known.get(name), fresh) for name in names}
    file.write_text(json.dumps(ports), encoding="utf-8")
    return ports


def _take(held: ExitStack, known: int | None, fresh: Iterator[int]) -> int:
    """Kept open until all are chosen, so that no two get the same."""
    for port in (known, next(fresh)):
        if port is None:
            continue
        listener = held.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
            listener.listen()
        except OSError:
            continue
        return port
    raise OSError("no free port on the loopback interface")
