"""The audit of a session's reads: the first of its kind at once, repetitions of it as one entry per minute."""

import asyncio
import itertools
from collections.abc import Callable

Write = Callable[[str, str, str, dict[str, object]], None]
MINUTE_S = 60.0
MAX_KINDS = 200  # different reads per minute that get an entry of their own; more are counted together


class Reads:
    """`write`: Session.audit. A crash loses at most the count of a minute's repetitions."""

    def __init__(self, write: Write, begun: str, every_s: float = MINUTE_S) -> None:
        self._write = write
        self._begun = begun  # makes the keys of this process different from those of the one before
        self._every_s = every_s
        self._numbers = itertools.count()
        self._more: dict[tuple[str, str, str], list[int]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def note(self, action: str, tool: str, target: str, size: int) -> None:
        """One read. `action`: looked, look_refused or look_failed."""
        key = (action, tool, target[:200])
        if key not in self._more and len(self._more) >= MAX_KINDS:
            key = (action, "docker", "(many)")
        known = self._more.get(key)
        if known is None:
            self._more[key] = [0, 0]
            self._entry(key, 1, size)
        else:
            known[0] += 1
            known[1] += size
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._every_s, self.flush)

    def flush(self) -> None:
        """Write the repetitions of this minute."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for key, (count, size) in self._more.items():
            if count:
                self._entry(key, count, size)
        self._more.clear()

    def _entry(self, key: tuple[str, str, str], count: int, size: int) -> None:
        action, tool, target = key
        detail: dict[str, object] = {"tool": tool, "count": count, "bytes": size}
        self._write(f"read-{self._begun}-{next(self._numbers)}", action, target, detail)
