"""Batches a session's lines for the record: 64 lines, 64 KB or 250 ms, whichever comes first."""

from collections.abc import Callable
from datetime import datetime, timedelta

from adapters.database.output_codec import MAX_BYTES, MAX_LINES, size_of
from domain.session import OutputLine

MAX_AGE = timedelta(milliseconds=250)


class OutputBuffer:
    """Collects lines. Ask `due` after each `add` and again when `wait_s` is over; `take` what is to be stored."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lines: list[OutputLine] = []
        self._bytes = 0
        self._since: datetime | None = None

    def add(self, line: OutputLine) -> None:
        """Keep one more line."""
        if self._since is None:
            self._since = self._now()
        self._lines.append(line)
        self._bytes += size_of(line)

    @property
    def due(self) -> bool:
        """Whether the lines should be stored now."""
        return len(self._lines) >= MAX_LINES or self._bytes >= MAX_BYTES or self.wait_s == 0

    @property
    def wait_s(self) -> float | None:
        """Seconds until the oldest line has waited long enough; None while there is no line."""
        if self._since is None:
            return None
        return max(0.0, (self._since + MAX_AGE - self._now()).total_seconds())

    def take(self) -> list[OutputLine]:
        """All lines, leaving none. A store that fails gives them back with `put_back`."""
        lines, self._lines, self._bytes, self._since = self._lines, [], 0, None
        return lines

    def put_back(self, lines: list[OutputLine]) -> None:
        """Lines that could not be stored, before those that came meanwhile."""
        self._lines = lines + self._lines
        self._bytes = sum(size_of(line) for line in self._lines)
        if self._lines:
            self._since = self._since or self._now()
