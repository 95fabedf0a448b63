"""What the budget looks up while sessions go on spending."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.budget import BudgetRecordActivities, NoteOrder, SpendingOrder
from adapters.database.budget import BudgetStore
from adapters.database.incidents import IncidentStore
from adapters.database.model_calls import ModelCallStore
from adapters.database.pool import Pool
from domain.budget import BudgetLimits, BudgetNote, Reservation
from domain.errors import RecordUnavailableError
from domain.ids import SessionId, reservation_id
from policy.budget import left_of
from tests.support.record import INCIDENT, NOON, SESSION, a_call

pytestmark = pytest.mark.postgres


class Clock:
    """A second goes by whenever somebody looks."""

    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> datetime:
        self.at += timedelta(seconds=1)
        return self.at


class AwayAtFirst(IncidentStore):
    """The record is lost between two writes, and comes back."""

    away = True

    async def audit(self, *entry: Any, **named: Any) -> None:
        if self.away:
            self.away = False
            raise RecordUnavailableError("the record is away")
        await super().audit(*entry, **named)


class SpentMeanwhile(BudgetStore):
    """After the first look a session pays for one more call."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)
        self.calls = ModelCallStore(pool)

    async def spent_since(self, since: datetime) -> float:
        found = await super().spent_since(since)
        await self.calls.model_call(a_call(cost_usd=0.75))
        return found

    async def spent_by(self, sessions: Sequence[SessionId]) -> dict[SessionId, float]:
        found = await super().spent_by(sessions)
        await self.calls.model_call(a_call(cost_usd=0.75))
        return found


async def test_what_is_spent_while_the_budget_looks_is_not_missing_in_both_sums(pool: Pool) -> None:
    limits = BudgetLimits(day_usd=2.0, month_usd=9.0)
    activities = BudgetRecordActivities(SpentMeanwhile(pool), IncidentStore(pool), limits, Clock())
    seen = await ActivityEnvironment().run(activities.spending, SpendingOrder(sessions=(SESSION,)))
    running = Reservation(
        id=reservation_id(SESSION, 1),
        session=SESSION,
        incident=INCIDENT,
        tier=1,
        usd=1.0,
        at=NOON,
        ends_at=NOON + timedelta(hours=1),
    )
    for window in seen.windows:
        assert window.usd + left_of(running, seen.sessions) >= 1.0, f"money of the {window.kind} was overlooked"


async def test_a_pause_that_had_to_be_written_again_is_one_pause(pool: Pool) -> None:
    activities = BudgetRecordActivities(BudgetStore(pool), AwayAtFirst(pool), BudgetLimits(), Clock())
    note = BudgetNote(paused=True, reason="on holiday", actor="alice")
    order = NoteOrder(note=note, at=NOON)
    with pytest.raises(ApplicationError, match="away"):
        await ActivityEnvironment().run(activities.write_budget_note, order)
    written = await ActivityEnvironment().run(activities.write_budget_note, order)
    assert written == await BudgetStore(pool).budget_note() == note.model_copy(update={"at": NOON})
    with psycopg.connect(pool.url) as conn:
        assert conn.execute("SELECT count(*) FROM budget_note").fetchone() == (1,)
        assert conn.execute("SELECT count(*) FROM audit WHERE action = 'budget.paused'").fetchone() == (1,)
