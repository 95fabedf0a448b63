"""The page of budgets: without limits, with them, over them and paused; the same as JSON, CSV and numbers."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser

from adapters.database.budget import BudgetStore
from adapters.database.model_calls import ModelCallStore
from adapters.database.pool import Pool
from domain.budget import BudgetNote, Reservation
from domain.ids import IncidentId, SessionId
from tests.support.axe import complaints
from tests.support.browser import dashboard, settings_for
from tests.support.engine_room import engine_room
from tests.support.postgres import TEMPLATE, TestServer
from tests.support.record import a_call
from tests.support.temporal import dev_server
from tests.support.world import World
from tests.web.conftest import NOBODY
from web.services.answers import Actor

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.postgres]
NOW = datetime.now(UTC)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def record(postgres_server: TestServer) -> AsyncIterator[Pool]:
    """A session cost 2.00 and has ended; another one runs and spent 0.25 of its 1.00.

    Nobody said how a third one ended, whose time is over."""
    url = postgres_server.create(TEMPLATE)
    async with Pool(url) as pool:
        calls = ModelCallStore(pool)
        for session, tier, usd in (("over", 2, 2.0), ("runs", 2, 0.25)):
            call = a_call(id=session, session=SessionId(session), tier=tier, cost_usd=usd, at=datetime.now(UTC))
            await calls.model_call(call)
        held = Reservation(
            id="runs/1",
            session=SessionId("runs"),
            incident=IncidentId("inc_1"),
            tier=2,
            usd=1.0,
            at=NOW,
            ends_at=NOW + timedelta(hours=1),
        )
        lost = {"id": "lost/1", "session": SessionId("lost"), "usd": 5.0, "ends_at": NOW - timedelta(minutes=1)}
        await BudgetStore(pool).save_reservations([held, held.model_copy(update=lost)])
        yield pool
    postgres_server.drop(url)


async def page(pool: Pool, home: Path, path: str, **settings: object) -> str:
    async with (
        dashboard(pool, settings_for(pool.url, home, temporal_address=NOBODY, **settings)) as house,
        aiohttp.ClientSession(house.url) as web,
        web.get(path) as answer,
    ):
        assert answer.status == 200
        return await answer.text()


async def test_without_limits_the_page_says_so_and_how_to_set_one(record: Pool, tmp_path: Path):
    text = await page(record, tmp_path, "/budgets")
    assert text.count("There is no limit.") == 2
    assert "TIERCEL_BUDGET_DAY_USD=5" in text
    assert "Temporal does not answer" in text
    assert "tiercel_budget_limit_usd{" not in await page(record, tmp_path, "/metrics")


async def test_with_limits_it_shows_what_is_spent_reserved_and_left(record: Pool, tmp_path: Path):
    limits = {"budget_day_usd": 5.0, "budget_month_usd": 40.0}
    text = await page(record, tmp_path, "/budgets", **limits)
    assert "<strong>$2.25</strong> spent, $0.75 reserved, <strong>$2.00</strong> left" in text
    assert "$4.00) are spent; that is the line" in text
    assert "$1.12" in text, "the mean of both sessions of tier 2"
    rows = (await page(record, tmp_path, "/budgets.csv", **limits)).splitlines()
    assert [row.split(",")[0] for row in rows] == ["window", "day", "month"]
    assert rows[1].endswith(",2.25,0.75,5.0,2.0")
    numbers = await page(record, tmp_path, "/metrics", **limits)
    assert 'tiercel_budget_limit_usd{window="today"} 5.0' in numbers
    assert "tiercel_budget_reserved_usd 0.75" in numbers


async def test_a_used_up_day_and_a_pause_say_what_to_do(record: Pool, tmp_path: Path):
    text = await page(record, tmp_path, "/budgets", budget_day_usd=3.05)
    assert "The day has no money left for a session" in text
    assert "it cannot begin" in text
    store = BudgetStore(record)
    await store.save_budget_note(BudgetNote(paused=True, reason="<b>on holiday</b>", actor="alice"), NOW)
    text = await page(record, tmp_path, "/budgets", budget_day_usd=3.05)
    assert "Model sessions are paused" in text
    assert "&lt;b&gt;on holiday" in text
    assert "tiercel_budget_paused 1.0" in await page(record, tmp_path, "/metrics")
    await store.save_budget_note(BudgetNote(paused=False, reason="back", actor="alice"), NOW + timedelta(seconds=1))


async def test_a_day_with_money_for_exactly_one_session_is_not_called_used_up(record: Pool, tmp_path: Path):
    limits = {"budget_day_usd": 3.3, "tier1_budget_usd": 0.3}
    assert limits["budget_day_usd"] - 2.25 - 0.75 < limits["tier1_budget_usd"], "in floats, not on paper"
    text = await page(record, tmp_path, "/budgets", **limits)
    assert "no money left" not in text
    assert 'data-label="fit into what is left" class="right num">1</td>' in text


@pytest.mark.browser
async def test_every_state_is_accessible_and_fits(record: Pool, chrome: Browser, tmp_path: Path):
    found: list[str] = []
    for limits in ({"budget_day_usd": 5.0, "budget_month_usd": 40.0}, {"budget_day_usd": 3.05}):
        async with dashboard(record, settings_for(record.url, tmp_path, temporal_address=NOBODY, **limits)) as house:
            for phone, dark in ((False, False), (True, True)):
                page = await house.page(chrome, phone=phone, dark=dark)
                await page.goto(f"{house.url}/budgets")
                found += await complaints(page, f"/budgets with {limits}")
                await page.get_by_role("button", name="Pause all sessions").click()
                await page.get_by_role("dialog").get_by_label("Reason").press_sequentially("on holiday")
                await page.keyboard.press("Escape")
                await page.context.close()
    assert found == []


@pytest.mark.temporal
async def test_a_person_pauses_and_resumes_with_a_reason_and_the_audit_knows(record: Pool, tmp_path: Path):
    async with (
        dev_server() as (client, address),
        engine_room(client, record, World([])),
        dashboard(record, settings_for(record.url, tmp_path, temporal_address=address)) as house,
        aiohttp.ClientSession(house.url, headers={"Origin": house.url}) as web,
    ):
        for reason, status in (("", 409), ("on holiday", 200), ("again", 409)):
            async with web.post("/budgets/pause", data={"reason": reason}) as answer:
                assert answer.status == status, await answer.text()
        budgets = await house.site.budgets.read()
        assert budgets.paused is not None
        assert budgets.paused.reason == "on holiday"
        done = await house.site.budgets.resume("back", Actor(kind="cli", name="bert"))
        assert done.accepted
    words = set(map(str, await record.scalars("audit_words")))
    assert {"budget.paused", "budget.resumed"} <= words
