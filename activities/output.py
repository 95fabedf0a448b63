"""Copies a session's stream into the record: numbered lines, none lost, none doubled.

The shown lines of a stream are a pure function of its bytes. A new worker therefore reads the stream from its
beginning, numbers the same lines in the same way, and stores only those that are not there yet.
"""

from collections.abc import Callable
from datetime import timedelta

from claude.display import display
from claude.stream import LineSplitter, StreamReader
from domain.ids import SessionId
from domain.ports import Clock, SessionRecords
from domain.session import OutputLine
from policy.redaction import LineRedactor

MAX_LINES = 64
MAX_BYTES = 64 * 1024
MAX_AGE = timedelta(milliseconds=250)


class OutputCopy:
    """One writer for one process of a session."""

    def __init__(
        self, records: SessionRecords, session: SessionId, attempt: int, redact: Callable[[str], str], clock: Clock
    ) -> None:
        self._records = records
        self._session = session
        self._attempt = attempt
        self._redactor = LineRedactor(redact)
        self._clock = clock
        self._splitter = LineSplitter()
        self._waiting: list[OutputLine] = []
        self._waiting_bytes = 0
        self._stored = 0
        self.reader = StreamReader()
        self.offset = 0
        self.lines = 0

    async def resume(self) -> None:
        """Learn what an earlier worker stored."""
        self._stored = await self._records.last_seq(self._session, self._attempt)

    async def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        self.offset += len(data)
        for raw in self._splitter.feed(data):
            await self._take(raw)

    async def _take(self, raw: str) -> None:
        for event in self.reader.read(raw):
            for text in display(event):
                self.lines += 1
                masked = self._redactor.line(text)  # also for lines already stored: it remembers where a key began
                if self.lines <= self._stored:
                    continue
                line = OutputLine(seq=self.lines, at=self._clock.now(), text=masked)
                self._waiting.append(line)
                self._waiting_bytes += len(line.text)
                if len(self._waiting) >= MAX_LINES or self._waiting_bytes >= MAX_BYTES:
                    await self.flush()

    async def flush_if_due(self) -> None:
        """Store what has waited long enough for a reader."""
        if self._waiting and self._clock.now() - self._waiting[0].at >= MAX_AGE:
            await self.flush()

    async def flush(self) -> None:
        """Store what waits, as one chunk."""
        if self._waiting:
            await self._records.append_output(self._session, self._attempt, self._waiting)
            self._waiting, self._waiting_bytes = [], 0

    async def finish(self) -> None:
        """The stream is over: an unfinished last line counts too."""
        rest = self._splitter.rest()
        if rest:
            await self._take(rest)
        await self.flush()
