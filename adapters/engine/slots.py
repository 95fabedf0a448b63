"""At most eight updates in flight to one entity, over all processes of this machine.

Above ten a Temporal entity collapses. Slots are file locks: the kernel frees those of a process that dies, so
nothing has to be cleaned up and no server is asked.
"""

import asyncio
import fcntl
import hashlib
import os
import random
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from domain.engine import MAX_UPDATES_IN_FLIGHT

_STRIPES = 256  # bounds the number of files; entities that share a stripe only wait a little longer
_PAUSE_S = 0.004


class UpdateSlots:
    """`run` must be the same folder for all processes (H/run); the locks lie in `slots` below it."""

    def __init__(self, run: Path, per_entity: int = MAX_UPDATES_IN_FLIGHT) -> None:
        self._folder = run / "slots"
        self._per_entity = per_entity
        self._here: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(per_entity))
        self._turn: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @asynccontextmanager
    async def slot(self, entity: str) -> AsyncGenerator[None]:
        """Hold one slot of `entity` inside the block; waits until one is free."""
        stripe = f"{int(hashlib.sha256(entity.encode()).hexdigest()[:8], 16) % _STRIPES:02x}"
        async with self._here[stripe]:
            async with self._turn[stripe]:  # one task per process looks, in order of arrival
                held = await self._wait(stripe)
            try:
                yield
            finally:
                os.close(held)

    async def _wait(self, stripe: str) -> int:
        while True:
            held = self._try(stripe)
            if held is not None:
                return held
            await asyncio.sleep(_PAUSE_S * random.uniform(0.5, 1.5))  # noqa: S311 - spreads processes

    def _try(self, stripe: str) -> int | None:
        for n in range(self._per_entity):
            descriptor = os.open(self._folder / f"{stripe}.{n}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(descriptor)
            else:
                return descriptor
        return None
