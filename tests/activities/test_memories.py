"""Memories on their way: what upkeep throws away, and that no incident waits for one."""

from datetime import timedelta
from typing import Any, cast

import pytest
from temporalio.testing import ActivityEnvironment

from activities.memories import Memories
from activities.upkeep import UpkeepActivities
from adapters.database.health import HealthStore
from adapters.database.incidents import IncidentStore
from adapters.database.memories import MemoryFilter, MemoryStore
from adapters.database.pool import Pool
from adapters.database.upkeep import UpkeepStore
from config.clock import SystemClock
from domain.errors import FatalError, RecordUnavailableError
from domain.ids import IncidentId, SessionId
from domain.memory import Learned, MemoryCategory, MemoryRule
from domain.work import UpkeepOrder

RULE, CLOCK = MemoryRule(), SystemClock()
ONE = Learned(category=MemoryCategory.PLACE, text="its log is in /var/log", confidence=0.8)
SESSION, INCIDENT = SessionId("s1"), IncidentId("i1")


async def test_upkeep_throws_away_what_has_faded(pool: Pool):
    store, now = MemoryStore(pool, RULE), CLOCK.now()
    await store.learn(SessionId("s2"), INCIDENT, (ONE.model_copy(update={"text": "young"}),), (), now)
    await store.learn(SESSION, INCIDENT, (ONE,), (), now - timedelta(days=70))
    runs = cast("Any", None)
    upkeep = UpkeepActivities(UpkeepStore(pool), IncidentStore(pool), (), runs, CLOCK, memories=store)
    found = await ActivityEnvironment().run(upkeep.prune, UpkeepOrder(at=now, retention_days=90))
    assert found.pruned["faded memories"] == 1
    assert [m.text for m in (await store.list(MemoryFilter(), now)).rows] == ["young"]


class Broken:
    """A record that keeps no memory."""

    def __init__(self, fault: Exception) -> None:
        self._fault = fault

    async def learn(self, *_: object) -> int:
        raise self._fault


@pytest.mark.parametrize("fault", [FatalError("no"), RecordUnavailableError("away")])
async def test_only_a_record_that_may_come_back_is_waited_for(pool: Pool, fault: Exception):
    memories = Memories(cast("Any", Broken(fault)), HealthStore(pool), RULE, CLOCK)
    learning = ActivityEnvironment().run(memories.learn, SESSION, INCIDENT, (ONE,))
    if isinstance(fault, FatalError):
        assert await learning is None
    else:
        with pytest.raises(RecordUnavailableError):
            await learning
