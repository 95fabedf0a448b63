"""Notices a session that is alive and does nothing: silent for long, or not ended although it has given its result."""

from datetime import datetime, timedelta
from typing import Literal

SILENCE = timedelta(minutes=12)  # above the longest effect, during which a session rightly says nothing
EXIT_GRACE = timedelta(seconds=20)


class Watchdog:
    """Fed with what was seen; says why the process must be ended, or nothing."""

    def __init__(self, now: datetime) -> None:
        self._spoke = now
        self._finished: datetime | None = None

    def look(self, now: datetime, *, spoke: bool, finished: bool) -> Literal["silent", "lingered"] | None:
        """Why to end it, or None. `finished`: its result line is there."""
        if spoke:
            self._spoke = now
        if not finished:
            self._finished = None
            return "silent" if now - self._spoke > SILENCE else None
        self._finished = self._finished or now
        return "lingered" if now - self._finished > EXIT_GRACE else None
