"""Keeps runners waiting for the next session, so that it begins at once."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Protocol

import structlog

from adapters.containers import spares
from domain.base import Value
from domain.errors import TiercelError
from domain.ports import SessionFolder
from domain.session import Limits

LOOK_EVERY_S = 3.0  # also the pause after a session took one: making the next costs what that session needs now

_ASK_EVERY_S = 15.0  # with many services this is a large question; what differs meanwhile starts cold

log = structlog.get_logger("worker.spares")


class Wanted(Value):
    """What the next session is likely to be: its bounds, and the repositories that it may read."""

    limits: Limits
    read_only: tuple[Path, ...] = ()


class MakesSpares(Protocol):
    """What an engine does for the keeper. `folder`: a spare's, see spares.py."""

    async def spare_key(self, limits: Limits, read_only: tuple[Path, ...]) -> str: ...

    async def make_spare(self, limits: Limits, read_only: tuple[Path, ...]) -> None: ...

    async def end_spare(self, folder: SessionFolder) -> None: ...


class SpareKeeper:
    """Keeps `count` spares for what `wanted` says. With 0 it ends those that another worker left."""

    def __init__(
        self, engine: MakesSpares, sessions: Path, count: int, wanted: Callable[[], Awaitable[Wanted]]
    ) -> None:
        self._engine = engine
        self._sessions = sessions
        self._count = count
        self._ask_wanted = wanted
        self._wanted = (float("-inf"), Wanted(limits=Limits()))
        self._short = True
        self._told = ""

    @contextlib.asynccontextmanager
    async def keeping(self) -> AsyncGenerator[None, None]:
        """Keep them inside the block. After it nothing waits any more."""
        done = asyncio.Event()
        rounds = asyncio.create_task(self._rounds(done))
        try:
            yield
        finally:
            done.set()
            await rounds
            await self._try(0)

    async def _rounds(self, done: asyncio.Event) -> None:
        while not done.is_set():
            succeeded = await self._try(self._count)
            if succeeded and not self._count:
                return  # what another worker keeps from here on is its own business
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), LOOK_EVERY_S)

    async def _try(self, count: int) -> bool:
        try:
            await self.keep(count)
        except (TiercelError, OSError) as e:
            if str(e) != self._told:  # once, not every few seconds
                log.warning("no runner waits for the next session", error=str(e)[:300])
            self._told = str(e)
            return False
        self._told = ""
        return True

    async def keep(self, count: int) -> int:
        """One round. Returns how many wait now. Raises what the engine raises."""
        with spares.alone(self._sessions) as alone:
            if not alone:
                return 0
            wanted = await self._what() if count else self._wanted[1]
            key = await self._engine.spare_key(wanted.limits, wanted.read_only) if count else ""
            good = 0
            for folder in await asyncio.to_thread(spares.all_of, self._sessions):
                fits = key and good < count and await asyncio.to_thread(_fits, folder, key)
                good += bool(fits)
                if not fits and await asyncio.to_thread(_nobodys, folder):
                    await self._engine.end_spare(folder)
            missing = count - good if key else 0
            # One that is missing for the first time was taken a moment ago: its session has the machine first.
            for _ in range(missing if self._short else 0):
                await self._engine.make_spare(wanted.limits, wanted.read_only)
                good += 1
            self._short = missing > 0
            return good

    async def _what(self) -> Wanted:
        at, wanted = self._wanted
        if time.monotonic() - at > _ASK_EVERY_S:
            wanted = await self._ask_wanted()
            self._wanted = (time.monotonic(), wanted)
        return wanted


async def end_all(engine: MakesSpares, sessions: Path) -> None:
    """End every spare of an installation whose workers have ended."""
    for folder in await asyncio.to_thread(spares.all_of, sessions):
        if not spares.taken(folder):
            await engine.end_spare(folder)


def _fits(folder: SessionFolder, key: str) -> bool:
    spare = spares.waiting(folder)
    return spare is not None and spare.key == key and spares.age_s(folder) < spares.MAX_AGE_S


def _nobodys(folder: SessionFolder) -> bool:
    """Whether it may be ended. One without an attempt is just being taken, for some seconds."""
    if spares.taken(folder):
        return False
    return folder.attempt(1).exists() or spares.age_s(folder) > spares.TAKING_S
