"""A session that cannot begin: nobody waits for it, and nothing stays promised to it."""

import asyncio
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest
from temporalio.activity import ActivityCancellationDetails
from temporalio.testing import ActivityEnvironment

from activities.briefing import Briefed
from activities.budget import SessionMoney
from activities.sessions import SessionActivities, SessionSettings
from adapters.database.budget import BudgetStore
from adapters.database.model_calls import ModelCallStore
from adapters.database.pool import Pool
from adapters.database.sessions import SessionStore
from claude.argv import SessionPlan
from config.clock import SystemClock
from domain.budget import BudgetAnswer, BudgetRequest
from domain.errors import FatalError
from domain.ids import reservation_id
from domain.ports import Door, Engine, Handle, Launch, SessionFolder
from domain.session import Isolation, SessionOrder, SessionStatus
from policy.tools import grant
from tests.support.record import SESSION, WALLED, an_order

pytestmark = pytest.mark.postgres


class Promises:
    """The budget's side, in the order of what it heard."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    async def reserve(self, request: BudgetRequest) -> BudgetAnswer:
        self.heard.append(f"reserve {request.id}")
        return BudgetAnswer(granted=True)

    async def settle(self, reservation: str) -> None:
        self.heard.append(f"settle {reservation}")


class Refusing:
    """An engine that takes no session, and doors that open, or not."""

    name = "refusing"

    def __init__(self, door: str = "", *, slow: bool = False) -> None:
        self._door = door
        self._slow = slow
        self.asked = asyncio.Event()
        self.closed = 0

    async def isolation(self) -> Isolation:
        return WALLED

    async def start_or_attach(self, launch: Launch) -> Handle:
        self.asked.set()
        if self._slow:
            await asyncio.sleep(3600)
        raise FatalError("the engine refused the session's container: no such image")

    async def open(self, door: Door) -> None:
        if self._door:
            raise FatalError(self._door)

    async def close(self, session: str) -> None:
        self.closed += 1


class Brief:
    def granted(self, tier: int) -> Any:
        return grant(tier)

    async def plan(self, order: SessionOrder, folder: SessionFolder, kind: str, traceparent: str) -> Briefed:
        plan = SessionPlan(
            session=order.session,
            tier=order.tier,
            system_prompt="s",
            prompt="p",
            report_schema={},
            credential_kind=kind,
            claude_config=folder.claude_config,
        )
        return Briefed(plan=plan, granted=grant(order.tier.tier))


def activities_of(pool: Pool, root: Path, refusing: Refusing, promises: Promises) -> SessionActivities:
    return SessionActivities(
        engine=cast("Engine", refusing),
        doors=cast("Any", refusing),
        records=SessionStore(pool),
        briefing=cast("Any", Brief()),
        money=SessionMoney(promises, ModelCallStore(pool), BudgetStore(pool), limited=True),
        settings=SessionSettings(sessions_root=root, scripted=True, credential_kind="api_key"),
        redact=str,
        traceparent=str,
        clock=SystemClock(),
    )


def statuses(pool: Pool) -> list[str]:
    with psycopg.connect(pool.url) as conn:
        return [str(row[0]) for row in conn.execute("SELECT status FROM session").fetchall()]


RESERVED_AND_SETTLED = [f"{what} {reservation_id(SESSION, 1)}" for what in ("reserve", "settle")]


@pytest.mark.parametrize("door", ["", "the gateway refused the door"])
async def test_a_session_that_cannot_begin_is_over_in_the_record_and_gives_its_money_back(
    pool: Pool, tmp_path: Path, door: str
) -> None:
    promises, refusing = Promises(), Refusing(door)
    activities = activities_of(pool, tmp_path, refusing, promises)
    outcome = await ActivityEnvironment().run(activities.run_session, an_order())
    assert outcome.status == SessionStatus.FAILED
    assert outcome.message == (door or "the engine refused the session's container: no such image")
    assert promises.heard == RESERVED_AND_SETTLED
    assert refusing.closed == 1
    assert statuses(pool) == ["failed"]


async def test_one_that_a_person_stops_before_it_began_is_over_as_well(pool: Pool, tmp_path: Path) -> None:
    promises, refusing = Promises(), Refusing(slow=True)
    activities, here = activities_of(pool, tmp_path, refusing, promises), ActivityEnvironment()
    running = asyncio.ensure_future(here.run(activities.run_session, an_order()))
    await refusing.asked.wait()
    here.cancel(cancellation_details=ActivityCancellationDetails(cancel_requested=True))
    with pytest.raises(asyncio.CancelledError):
        await running
    assert promises.heard == RESERVED_AND_SETTLED
    assert refusing.closed == 1
    assert statuses(pool) == ["stopped"]


async def test_one_whose_worker_stops_is_left_to_the_next_worker(pool: Pool, tmp_path: Path) -> None:
    promises, refusing = Promises(), Refusing(slow=True)
    activities, here = activities_of(pool, tmp_path, refusing, promises), ActivityEnvironment()
    running = asyncio.ensure_future(here.run(activities.run_session, an_order()))
    await refusing.asked.wait()
    here.cancel(cancellation_details=ActivityCancellationDetails(worker_shutdown=True))
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (promises.heard, refusing.closed) == (RESERVED_AND_SETTLED[:1], 0)
    assert statuses(pool) == ["running"]
