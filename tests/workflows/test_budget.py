"""The owner's budget: sessions begin only within it, nothing is promised twice, and no promise lasts for ever."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

import workflows.budget
from activities.budget import SessionMoney
from adapters.database.budget import BudgetStore
from adapters.database.model_calls import ModelCallStore
from adapters.database.pool import Pool
from adapters.database.reads import Reads
from adapters.database.records import AuditFilter
from adapters.engine.budget import TemporalBudget
from domain.budget import Account, BudgetLimits, BudgetNote, BudgetRequest
from domain.engine import QUERY_ACCOUNT
from domain.errors import FatalError
from domain.ids import BUDGET_WORKFLOW_ID, IncidentId, SessionId
from domain.incident import IncidentState
from domain.session import SessionOrder
from tests.support.engine_room import TIERS, Room, engine_room
from tests.support.record import a_call
from tests.support.temporal import dev_server
from tests.support.world import World
from tests.workflows.test_escalation import wait_for_state

pytestmark = [pytest.mark.postgres, pytest.mark.temporal]


def wish(name: str, usd: float = 1.0, lasts_s: float = 600) -> BudgetRequest:
    return BudgetRequest(
        id=f"{name}/1",
        session=SessionId(name),
        incident=IncidentId("inc_1"),
        tier=1,
        bound_usd=usd,
        lasts_s=lasts_s,
    )


def process(session: str, attempt: int) -> SessionOrder:
    return SessionOrder(
        session=SessionId(session),
        incident=IncidentId("inc_1"),
        workflow_id="w",
        workflow_run_id="r",
        tier=TIERS[0],
        attempt=attempt,
    )


@asynccontextmanager
async def budget_of(
    client: Client, pool: Pool, world: World, **limits: float
) -> AsyncIterator[tuple[TemporalBudget, Room]]:
    async with engine_room(client, pool, world, limits=BudgetLimits.model_validate(limits)) as room:
        yield TemporalBudget(client, room.slots), room


async def spend(room: Room, session: str, usd: float) -> None:
    """As the gateway counts it."""
    call = a_call(id=f"{session}-{usd}", session=SessionId(session), cost_usd=usd, at=room.world.now())
    await ModelCallStore(room.pool).model_call(call)


async def refusals(room: Room) -> int:
    entries = await Reads(room.pool).audit(which=AuditFilter(action="budget.refused"))
    return len(entries.rows)


async def states(room: Room) -> dict[str, str]:
    found = await BudgetStore(room.pool).reservations(room.world.now() - timedelta(days=1))
    return {r.id: r.state.value for r in found}


async def until_states(room: Room, expected: dict[str, str]) -> None:
    async with asyncio.timeout(30):
        while await states(room) != expected:
            await asyncio.sleep(0.05)


async def test_an_incident_that_the_day_has_no_money_for_goes_to_a_person_with_what_to_do(
    pool: Pool, world: World
) -> None:
    async with dev_server() as (client, _), budget_of(client, pool, world, day_usd=1.5) as (budget, room):
        world.down.add("local/web")
        await spend(room, "an earlier one", 1.0)
        view = await wait_for_state(await room.escalate(room.alert("local/web")), IncidentState.NEEDS_PERSON)
        assert room.orders == [], "no session was begun"
        assert "over the day's budget: of 1.50 USD 1.00 are spent" in view.summary
        assert "TIERCEL_BUDGET_DAY_USD" in view.summary
        assert "budget.refused" in await room.pool.scalars("audit_words")
        assert [n.key for n in world.told if n.key.startswith("budget/")] == [], "66 % is below the line of 80 %"
        # The rest of the day: less is needed than is left, and the same window alerts once.
        assert (await budget.reserve(wish("cheap", 0.4))).granted
        await spend(room, "cheap", 0.3)
        for _ in range(2):
            await budget.settle("cheap/1")
        async with asyncio.timeout(20):
            while not (told := [n for n in world.told if n.key.startswith("budget/")]):
                await asyncio.sleep(0.05)
        assert [n.title for n in told] == ["87 % of the day's budget is spent"]


async def test_money_is_promised_once_given_back_and_stopped_by_a_person(pool: Pool, world: World) -> None:
    async with dev_server() as (client, _), budget_of(client, pool, world, day_usd=2.0) as (budget, room):
        assert (await budget.reserve(wish("a"))).granted
        assert (await budget.reserve(wish("a"))).granted, "asking again is the same reservation"
        assert (await budget.reserve(wish("b"))).granted
        assert not (await budget.reserve(wish("c"))).granted
        await spend(room, "a", 0.25)
        for _ in range(2):
            await budget.settle("a/1")
        assert not (await budget.reserve(wish("c"))).granted, "0.25 are spent and 1.00 is promised"
        await budget.settle("b/1")
        assert (await budget.reserve(wish("c"))).granted
        assert await states(room) == {"a/1": "settled", "b/1": "released", "c/1": "reserved"}

        with pytest.raises(FatalError, match="say who and why"):
            await budget.note(BudgetNote(paused=True, reason=" ", actor="alice"))
        assert await budget.note(BudgetNote(paused=True, reason="on holiday", actor="alice"))
        assert not await budget.note(BudgetNote(paused=True, reason="again", actor="bert")), "it is paused already"
        refused = await budget.reserve(wish("d", 0.1))
        assert "paused by alice: on holiday" in refused.reason
        assert (await budget.reserve(wish("c"))).granted, "what runs goes on"
        assert await budget.note(BudgetNote(paused=False, reason="back", actor="alice"))
        assert (await budget.reserve(wish("d", 0.1))).granted


async def test_without_a_limit_only_a_pause_refuses_and_what_runs_is_shown_all_the_same(
    pool: Pool, world: World
) -> None:
    async with dev_server() as (client, _), budget_of(client, pool, world) as (budget, room):
        world.down.add("local/web")
        assert await budget.note(BudgetNote(paused=True, reason="on holiday", actor="alice"))
        view = await wait_for_state(await room.escalate(room.alert("local/web")), IncidentState.NEEDS_PERSON)
        assert room.orders == [], "no session was begun"
        assert "paused by alice: on holiday" in view.summary
        assert "budget.refused" in await room.pool.scalars("audit_words")
        assert await budget.note(BudgetNote(paused=False, reason="back", actor="alice"))

        money = SessionMoney(budget, ModelCallStore(pool), BudgetStore(pool), limited=False, shown_after_s=0.1)
        assert [await money.reserve(order) for order in (process("s1", 1), process("s2", 2))] == ["", ""]
        async with asyncio.timeout(20):
            while set(await states(room)) != {"s1/1", "s2/2"}:
                await asyncio.sleep(0.05)
        assert set((await states(room)).values()) == {"reserved"}
        assert await money.reserve(process("s3", 1)) == ""
        await money.settle(SessionId("s3"), 1)  # before anything was promised
        await asyncio.sleep(0.3)
        assert "s3/1" not in await states(room)
        refused = await refusals(room)
        later = SessionMoney(budget, ModelCallStore(pool), BudgetStore(pool), limited=False, shown_after_s=0.5)
        assert await later.reserve(process("s4", 1)) == ""
        assert await budget.note(BudgetNote(paused=True, reason="on holiday again", actor="alice"))
        async with asyncio.timeout(20):
            while "s4/1" not in await states(room):
                await asyncio.sleep(0.05)
        assert await refusals(room) == refused, "the audit says of nobody who runs that it was refused"
        for of, order in ((money, process("s1", 1)), (money, process("s2", 2)), (later, process("s4", 1))):
            await of.settle(order.session, order.attempt)
        assert set((await states(room)).values()) == {"released"}


async def test_a_promise_whose_worker_died_ends_by_itself_and_a_lost_engine_forgets_no_open_one(
    pool: Pool, world: World
) -> None:
    async with dev_server() as (client, _):
        async with budget_of(client, pool, world, month_usd=3.0) as (budget, room):
            assert (await budget.reserve(wish("never begun", lasts_s=1))).granted
            assert (await budget.reserve(wish("died", lasts_s=1))).granted
            assert (await budget.reserve(wish("runs"))).granted
            assert not (await budget.reserve(wish("one more", 0.5))).granted
            await spend(room, "died", 0.7)
        # Every worker is gone before anybody could begin or settle; another one comes.
        async with budget_of(client, pool, world, month_usd=3.0) as (budget, room):
            left = {"never begun/1": "released", "died/1": "settled", "runs/1": "reserved"}
            await until_states(room, left)
            assert (await budget.reserve(wish("one more", 1.3))).granted
            await budget.note(BudgetNote(paused=True, reason="on holiday", actor="alice"))
    async with dev_server() as (client, _), budget_of(client, pool, world, month_usd=3.0) as (budget, room):
        assert "on holiday" in (await budget.reserve(wish("late", 0.1))).reason
        await budget.note(BudgetNote(paused=False, reason="back", actor="alice"))
        assert not (await budget.reserve(wish("late", 0.1))).granted, "0.70 spent, 1.00 and 1.30 promised"
        await budget.settle("runs/1")
        assert (await budget.reserve(wish("late", 0.1))).granted


async def test_whoever_asks_while_the_budget_starts_anew_is_answered_and_no_promise_is_lost(
    pool: Pool, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workflows.budget, "MAX_UPDATES", 4)
    async with dev_server() as (client, _), budget_of(client, pool, world, day_usd=40.0) as (_, room):
        callers = [TemporalBudget(client, room.slots) for _ in range(4)]

        async def ask(name: str, budget: TemporalBudget) -> list[bool]:
            return [(await budget.reserve(wish(f"{name}{n}"))).granted for n in range(12)]

        answers = await asyncio.gather(*(ask(name, budget) for name, budget in zip("abcd", callers, strict=True)))
        assert sum(map(sum, answers)) == 40, "of 48 that want a dollar, in whatever order"
        async with asyncio.timeout(20):  # the list of runs comes a little later
            while len([run async for run in client.list_workflows(f"WorkflowId='{BUDGET_WORKFLOW_ID}'")]) < 4:
                await asyncio.sleep(0.1)
        kept = await client.get_workflow_handle(BUDGET_WORKFLOW_ID).query(QUERY_ACCOUNT, result_type=Account)
        assert {r.id for r in kept.reservations} == set(await states(room))
        assert len(kept.reservations) == 40


async def test_no_money_is_kept_for_whoever_is_gone_before_the_question_is_sent(pool: Pool, world: World) -> None:
    async with dev_server() as (client, _), budget_of(client, pool, world, day_usd=1.0) as (budget, room):
        async with pool.connection() as held:
            await held.execute("LOCK TABLE reservation")
            first = asyncio.create_task(budget.reserve(wish("first", 0.1)))
            async with asyncio.timeout(20):  # its update is under way: whoever asks now waits for the next one
                while not [r async for r in client.list_workflows(f"WorkflowId='{BUDGET_WORKFLOW_ID}'")]:
                    await asyncio.sleep(0.05)
            gone = asyncio.create_task(budget.reserve(wish("gone", 0.9)))
            await asyncio.sleep(0)  # it has asked
            gone.cancel()
        assert (await first).granted
        assert (await budget.reserve(wish("next", 0.9))).granted
        assert set(await states(room)) == {"first/1", "next/1"}


async def test_200_callers_share_few_updates_and_get_no_more_than_there_is(pool: Pool, world: World) -> None:
    async with dev_server() as (client, _), budget_of(client, pool, world, day_usd=50.0) as (budget, _):
        answers = await asyncio.gather(*(budget.reserve(wish(f"s{n}")) for n in range(200)))
        assert sum(a.granted for a in answers) == 50
        kinds = Counter([e.event_type async for e in _history(client)])
        assert kinds[EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED] <= 4


def _history(client: Client):
    return client.get_workflow_handle(BUDGET_WORKFLOW_ID).fetch_history_events()
