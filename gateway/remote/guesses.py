"""Counts who was turned away at the entrance: the first at once, then one entry per minute, however many come."""

import asyncio
import itertools
from collections.abc import Callable

import structlog

from domain.ports import Clock
from gateway.recorder import Recorder
from gateway.session import Auditor

log = structlog.get_logger("gateway.entrance")

MINUTE_S = 60.0
MAX_ADDRESSES = 100  # counted one by one; more are counted together
TOLD_ADDRESSES = 5


class EntranceBook:
    """What the gateway itself writes about its entrance: never a token, not even a wrong one."""

    def __init__(
        self, records: Auditor, recorder: Recorder, clock: Clock, new_id: Callable[[], str], every_s: float = MINUTE_S
    ) -> None:
        self._records, self._recorder, self._clock = records, recorder, clock
        self._begun = new_id()
        self._numbers = itertools.count()
        self._every_s = every_s
        self._waiting: dict[str, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self.turned_away = 0

    def note(self, address: str) -> None:
        """Somebody was turned away."""
        self.turned_away += 1
        if self._timer is None:
            self.tell("token.refused", address, {"count": 1})
            log.warning("turned away: no token or secret that fits", address=address)
            self._timer = asyncio.get_running_loop().call_later(self._every_s, self.flush)
            return
        known = address if address in self._waiting or len(self._waiting) < MAX_ADDRESSES else "(others)"
        self._waiting[known] = self._waiting.get(known, 0) + 1

    def flush(self) -> None:
        """Write what came since the last entry."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._waiting:
            return
        count = sum(self._waiting.values())
        most = sorted(self._waiting, key=lambda a: -self._waiting[a])[:TOLD_ADDRESSES]
        self.tell("token.refused", most[0], {"count": count, "addresses": {a: self._waiting[a] for a in most}})
        log.warning("turned away: no token or secret that fits", count=count, addresses=most)
        self._waiting.clear()

    def tell(self, action: str, target: str, detail: dict[str, object]) -> None:
        """One audit entry in the background."""
        key, at, records = f"entrance-{self._begun}-{next(self._numbers)}", self._clock.now(), self._records

        async def write() -> None:
            await records.audit(key, at, "system", "gateway", action, target, detail)

        self._recorder.put(f"audit {action}", write, "entrance")
