"""Writes records in the background: a slow or absent Postgres never delays a model stream."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

import structlog

from domain.errors import TransientError

Write = Callable[[], Awaitable[None]]
log = structlog.get_logger("gateway.recorder")


class Recorder:
    """A bounded queue with one writer. When it is full the oldest entry is given up, and that is logged.

    Every write carries its own id, so that a repetition after a lost answer is the same row.
    """

    def __init__(self, *, limit: int = 10_000, first_pause_s: float = 0.2, longest_pause_s: float = 10.0) -> None:
        self._waiting: deque[tuple[str, Write]] = deque()
        self._limit = limit
        self._first_pause_s = first_pause_s
        self._longest_pause_s = longest_pause_s
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None
        self.lost = 0

    def start(self) -> None:
        """Begin to write. Needs a running event loop."""
        self._task = asyncio.create_task(self._run(), name="recorder")

    def put(self, what: str, write: Write) -> None:
        """Queue one write; returns at once. `what` names it in the log."""
        if len(self._waiting) >= self._limit:
            dropped, _ = self._waiting.popleft()
            self.lost += 1
            log.error("record queue full, oldest entry given up", entry=dropped, lost=self.lost)
        self._waiting.append((what, write))
        self._idle.clear()
        self._wake.set()

    async def close(self, patience_s: float = 5.0) -> None:
        """Write what is left, for at most `patience_s` seconds."""
        if self._task is None:
            return
        await asyncio.wait({asyncio.ensure_future(self._idle.wait())}, timeout=patience_s)
        if not self._idle.is_set():
            log.error("stopped before all records were written", waiting=len(self._waiting))
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            if not self._waiting:
                self._idle.set()
                self._wake.clear()
                await self._wake.wait()
            what, write = self._waiting[0]
            await self._write(what, write)
            if self._waiting and self._waiting[0][1] is write:
                self._waiting.popleft()

    async def _write(self, what: str, write: Write) -> None:
        pause = self._first_pause_s
        while True:
            try:
                await write()
            except TransientError as e:
                log.warning("record not written yet, trying again", entry=what, error=str(e), pause_s=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, self._longest_pause_s)
            except Exception:
                # One bad row must not block the rows behind it.
                self.lost += 1
                log.exception("record given up", entry=what)
                return
            else:
                return
