"""The money of one session: reserved before a request, settled after it, remembered over the gateway's own death.

Every reservation and every settlement is a line in the session's folder, where the session itself cannot look. A
reservation that a dead gateway left open counts with what was seen of its request: the bound is often more than the
whole budget, so a session could not go on after the gateway's first death.
"""

import asyncio
import os
from pathlib import Path

from domain.errors import TransientError

FILE = "money.log"
_RESERVED, _SETTLED = "reserved", "settled"


class Purse:
    """What a session has spent, in USD. With one request at a time it overspends by at most that request's bound."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held: dict[str, float] = {}
        self._moved = asyncio.Event()
        self.spent = _read(path)

    def at_least(self, spent: float) -> None:
        """The record knows of so much: it wins where the file was lost."""
        self.spent = max(self.spent, spent)

    async def reserve(self, request: str, bound: float, budget: float, sent: float) -> bool:
        """Hold `bound` for a request. False where the budget is used up.

        `sent` is what its prompt alone costs. All in USD.
        Waits while what other requests hold could use it up: they usually cost far less than they might.
        Raises TransientError where the reservation cannot be written down.
        """
        while self.spent < budget:
            if not self._held or self.spent + sum(self._held.values()) < budget:
                self._write(_RESERVED, request, sent)
                self._held[request] = bound
                return True
            self._moved.clear()
            await self._moved.wait()
        return False

    def settle(self, request: str, cost: float) -> None:
        """Put the true cost in the place of what was held."""
        self._held.pop(request, None)
        self.spent += cost
        self._moved.set()
        self._write(_SETTLED, request, cost)

    def _write(self, what: str, request: str, usd: float) -> None:
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                os.write(descriptor, f"{what} {request} {usd!r}\n".encode())
            finally:
                os.close(descriptor)
        except OSError as e:
            raise TransientError(f"the session's money cannot be written down ({e.strerror}); free some disk") from e


def _read(path: Path) -> float:
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        return 0.0
    known: dict[str, float] = {}
    for line in lines:
        what, _, rest = line.partition(" ")
        request, _, usd = rest.partition(" ")
        try:
            if what in {_RESERVED, _SETTLED}:
                known[request] = float(usd)
        except ValueError:
            continue  # torn by a power cut: what it stood for was never sent
    return sum(known.values())
