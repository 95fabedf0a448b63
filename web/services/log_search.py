"""Lines of a log that a reader wants, found by reading it: a log is compressed, so nothing can look into it in place.

Each search reads at most SEARCHED lines and says which. What lies beyond is the next search.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from domain.session import OutputLine
from web.logwords import LogFilter

SEARCHED = 20_000  # lines per search
ENOUGH = 300  # matching lines per search
STEP = 2_000  # lines at once, at most
FIRST_STEP = 500  # a filter that lets much through has enough after few lines

ReadLines = Callable[[int, int], Awaitable[tuple[OutputLine, ...]]]  # after, limit


@dataclass(frozen=True)
class Found:
    """The matching lines of `first` to `last`, both searched; both 0 where there was nothing to search."""

    lines: tuple[OutputLine, ...]
    first: int
    last: int

    @property
    def searched(self) -> int:
        """How many lines were looked at."""
        return self.last - self.first + 1 if self.last else 0


async def backward(read: ReadLines, wanted: LogFilter, before: int) -> Found:
    """Search from just before a line towards the first, until there is enough."""
    matching: list[OutputLine] = []
    first, step = before, FIRST_STEP
    while first > 1 and before - first < SEARCHED and len(matching) < ENOUGH:
        begin = max(1, first - step, before - SEARCHED)
        matching[:0] = await _between(read, wanted, begin, first - 1)
        first, step = begin, min(2 * step, STEP)
    return Found(tuple(matching), first, before - 1) if before > 1 else Found((), 0, 0)


async def forward(read: ReadLines, wanted: LogFilter, after: int) -> Found:
    """Search from just after a line towards the newest."""
    matching: list[OutputLine] = []
    last = after
    while last - after < SEARCHED and len(matching) < ENOUGH:
        lines = await read(last, STEP)
        if not lines:
            break
        matching += await asyncio.to_thread(_matching, wanted, lines)
        last = lines[-1].seq
    return Found(tuple(matching), after + 1, last) if last > after else Found((), 0, 0)


async def _between(read: ReadLines, wanted: LogFilter, first: int, last: int) -> list[OutputLine]:
    """The matching lines of a range; a read may give fewer lines than asked for, where they are long."""
    matching: list[OutputLine] = []
    at = first - 1
    while at < last and (lines := await read(at, last - at)):
        # In a thread: twenty thousand lines take a fifth of a second, in which every other page would wait.
        matching += await asyncio.to_thread(_matching, wanted, lines)
        at = lines[-1].seq
    return matching


def _matching(wanted: LogFilter, lines: tuple[OutputLine, ...]) -> list[OutputLine]:
    return [line for line in lines if wanted.lets(line)]
