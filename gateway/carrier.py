"""Bytes in both directions between a session and the outside, with bounds."""

import asyncio
import time
from collections.abc import Callable

from domain.base import Value

Way = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_CHUNK = 1 << 16


class End(Value):
    """How a connection to the outside ended."""

    sent: int = 0
    received: int = 0
    why: str


class Carrier:
    """Bytes in both directions, until one of both ends, says nothing, or says too much."""

    def __init__(
        self, near: Way, far: Way, idle_s: float, spend: Callable[[int, int], str], stops: Callable[[bytes], bool]
    ) -> None:
        """`spend`: counts bytes, says why to stop. `stops`: whether bytes on their way out must not go."""
        self._near, self._far = near, far
        self._idle_s = idle_s
        self._spend = spend
        self._stops = stops
        self._sent = self._received = 0
        self._moved = time.monotonic()
        self._why = "broken off"

    def end(self) -> End:
        """What was carried until now."""
        return End(sent=self._sent, received=self._received, why=self._why)

    def refuse(self) -> None:
        """Nothing is carried."""
        self._why = "refused"

    async def run(self, begun: bytes, body: int | None) -> None:
        """`begun` goes first. `body`: how many bytes of the client may follow; None: as many as it likes."""
        self._sent += len(begun)
        self._spend(len(begun), 0)
        self._far[1].write(begun)
        up = asyncio.create_task(self._up(body))
        down = asyncio.create_task(self._down(), name="down")
        try:
            await self._until({up, down})
        finally:
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)

    async def _until(self, tasks: set[asyncio.Task[None]]) -> None:
        """The server's end is the end; the client's is not: the answer may still come."""
        while tasks:
            left = self._moved + self._idle_s - time.monotonic()
            if left <= 0:
                self._why = f"silent for {self._idle_s:g} s"
                return
            done, tasks = await asyncio.wait(tasks, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if self._why != "broken off" or any(t.exception() for t in done):
                return
            if any(t.get_name() == "down" for t in done):
                self._why = "ended"
                return

    async def _up(self, left: int | None) -> None:
        reader, writer = self._near[0], self._far[1]
        while left is None or left > 0:
            data = await reader.read(_CHUNK if left is None else min(_CHUNK, left))
            if not data:
                break
            if self._stops(data):
                self._why = "the session is stopped"
                return
            left = None if left is None else left - len(data)
            self._sent += len(data)
            if not self._moved_on(len(data), 0):
                return
            writer.write(data)
            await writer.drain()
        if left is None and writer.can_write_eof():
            writer.write_eof()

    async def _down(self) -> None:
        reader, writer = self._far[0], self._near[1]
        while data := await reader.read(_CHUNK):
            self._received += len(data)
            if not self._moved_on(0, len(data)):
                return
            writer.write(data)
            await writer.drain()

    def _moved_on(self, sent: int, received: int) -> bool:
        self._moved = time.monotonic()
        why = self._spend(sent, received)
        if why:
            self._why = why
        return not why
