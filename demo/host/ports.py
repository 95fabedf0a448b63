"""Ports of the demo's services: free ones at the first start, the same ones later as long as they are free."""

import json
import socket
from contextlib import ExitStack
from pathlib import Path


def choose(file: Path, names: tuple[str, ...]) -> dict[str, int]:
    """A port per name, remembered in `file`."""
    try:
        known: dict[str, int] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    with ExitStack() as held:
        ports = {name: _take(held, known.get(name, 0)) for name in names}
    file.write_text(json.dumps(ports), encoding="utf-8")
    return ports


def _take(held: ExitStack, wanted: int) -> int:
    """Kept open until all are chosen, so that no two get the same."""
    for port in (wanted, 0):
        listener = held.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
            listener.listen()
        except OSError:
            continue
        return int(listener.getsockname()[1])
    raise OSError("no free port on the loopback interface")
