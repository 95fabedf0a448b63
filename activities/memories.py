"""Memories on their way: kept from a session's report, told to sessions that come later."""

from collections.abc import Sequence
from datetime import datetime

from temporalio import activity

from domain.errors import FatalError
from domain.ids import IncidentId, SessionId
from domain.memory import Learned, MemoryRule, Recalled
from domain.ports import Clock, HealthRecords, MemoryRecords
from policy.memories import admitted, best


class Memories:
    """One installation's memories, under one rule."""

    def __init__(self, records: MemoryRecords, health: HealthRecords, rule: MemoryRule, clock: Clock) -> None:
        self._records = records
        self._health = health
        self._rule = rule
        self._clock = clock

    async def learn(
        self, session: SessionId, incident: IncidentId, stated: Sequence[Learned], bait: tuple[str, ...] = ()
    ) -> None:
        """Keep what a session stated, without what it must not. Repeating is harmless.

        A fault of the record that will not go away is logged: no incident waits for a memory.
        """
        if not stated:
            return
        try:
            found = admitted(stated, await self._health.load_inventory(), bait, self._rule)
            await self._records.learn(session, incident, found.kept, found.refused, self._clock.now())
        except FatalError as e:
            activity.logger.warning("what a session learned is not kept: %s", e)

    async def recall(self, services: Sequence[str], incident: IncidentId) -> tuple[Recalled, ...]:
        """What a session of this incident is told of these services, with what is true of all of them."""
        if not self._rule.quoted:
            return ()
        now: datetime = self._clock.now()
        return best(await self._records.recall(("", *services), now, incident), now, self._rule)
