"""Writes records in the background: a slow or absent Postgres never delays a model stream."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

import structlog

from domain.errors import TransientError

Write = Callable[[], Awaitable[None]]
log = structlog.get_logger("gateway.recorder")


class Recorder:
    """One queue per session and one writer that takes from them in turn. A full queue gives up its oldest entry.

    Every write carries its own id, so that a repetition after a lost answer is the same row.
    """

    def __init__(
        self,
        *,
        limit: int = 10_000,
        per_session: int = 2_000,
        first_pause_s: float = 0.2,
        longest_pause_s: float = 10.0,
    ) -> None:
        self._queues: dict[str, deque[tuple[str, Write]]] = {}
        self._waiting = 0
        self._limit = limit
        self._per_session = min(per_session, limit)
        self._first_pause_s = first_pause_s
        self._longest_pause_s = longest_pause_s
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None
        self._lost_of: dict[str, int] = {}
        self.lost = 0

    def start(self) -> None:
        """Begin to write. Needs a running event loop."""
        self._task = asyncio.create_task(self._run(), name="recorder")

    def put(self, what: str, write: Write, whose: str = "") -> None:
        """Queue one write; returns at once. `what` names it in the log, `whose` is the session that caused it."""
        queue = self._queues.setdefault(whose, deque())
        queue.append((what, write))
        self._waiting += 1
        if len(queue) > self._per_session:
            self._give_up(whose)
        elif self._waiting > self._limit:
            self._give_up(max(self._queues, key=lambda name: len(self._queues[name])))
        self._idle.clear()
        self._wake.set()

    def lost_of(self, whose: str) -> int:
        """How many entries of a session were given up since this was last asked."""
        return self._lost_of.pop(whose, 0)

    def _give_up(self, whose: str) -> None:
        dropped, _ = self._queues[whose].popleft()
        self._waiting -= 1
        self._count_lost(whose)
        if self._lost_of[whose] in {1, 10, 100} or self._lost_of[whose] % 1_000 == 0:
            log.error(
                "record queue full, oldest entries given up", entry=dropped, session=whose, lost=self._lost_of[whose]
            )

    def _count_lost(self, whose: str) -> None:
        self.lost += 1
        self._lost_of[whose] = self._lost_of.get(whose, 0) + 1

    async def close(self, patience_s: float = 5.0) -> None:
        """Write what is left, for at most `patience_s` seconds."""
        if self._task is None:
            return
        await asyncio.wait({asyncio.ensure_future(self._idle.wait())}, timeout=patience_s)
        if not self._idle.is_set():
            log.error("stopped before all records were written", waiting=self._waiting)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            if not self._queues:
                self._idle.set()
                self._wake.clear()
                await self._wake.wait()
            for whose in tuple(self._queues):
                await self._next_of(whose)

    async def _next_of(self, whose: str) -> None:
        queue = self._queues[whose]
        what, write = queue[0]
        await self._write(what, write, whose)
        if queue and queue[0][1] is write:  # it may have been given up meanwhile
            queue.popleft()
            self._waiting -= 1
        if not queue:
            del self._queues[whose]

    async def _write(self, what: str, write: Write, whose: str) -> None:
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
                self._count_lost(whose)
                log.exception("record given up", entry=what)
                return
            else:
                return
