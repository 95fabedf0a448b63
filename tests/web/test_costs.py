"""The costs page: the same numbers as the record, in the owner's days, and a quiet day that says so."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import aiohttp
import pytest
import pytest_asyncio

from adapters.database.costs import CostReads
from adapters.database.model_calls import ModelCallStore
from adapters.database.pool import Pool
from config.settings import Settings
from tests.support.browser import Dashboard
from tests.support.record import a_call
from web.cost_chart import HEIGHT, cost_chart
from web.services.costs import CostViews

pytestmark = pytest.mark.asyncio(loop_scope="module")
BERLIN = ZoneInfo("Europe/Berlin")


class At:
    """A clock that stands."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def now(self) -> datetime:
        return self._at


@pytest_asyncio.fixture(loop_scope="module")
async def web(house: Dashboard) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(house.url) as session:
        yield session


async def test_page_json_and_csv_tell_what_the_gateway_counted(web: aiohttp.ClientSession, house: Dashboard):
    use = (await house.site.insights.overview()).today
    for by in ("tier", "service", "trigger"):
        async with web.get(f"/costs.json?by={by}") as answer:
            body = await answer.json()
        assert body["today"]["tokens"] == use.tokens
        assert body["today"]["cost_usd"] == pytest.approx(use.cost_usd)
        assert sum(c["cost_usd"] for c in body["cells"]) == pytest.approx(body["total"]["cost_usd"])
        async with web.get(f"/costs.csv?by={by}") as answer:
            lines = (await answer.text()).splitlines()
        assert len(lines) == 1 + len(body["cells"])
        async with web.get(f"/costs?by={by}") as answer:
            text = await answer.text()
        assert f"{use.tokens:,} tokens" in text
    assert "TIERCEL_TIER2_BUDGET_USD" in text


async def test_what_cannot_be_meant_is_said(web: aiohttp.ClientSession):
    for query, words in (("by=weather", "One of: tier, service, trigger"), ("month=2026-13", "Write it as 2026-11")):
        async with web.get(f"/costs?{query}") as answer:
            assert answer.status == 422
            assert words in await answer.text()
    async with web.get("/costs?month=2031-01") as answer:
        assert "Nothing was spent in this month" in await answer.text()


@pytest.mark.asyncio
async def test_a_month_with_a_forecast_and_one_that_is_over(pool: Pool):
    now = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)  # the 21st in Berlin
    for n, cost in enumerate((7.0, 7.0, 7.0)):
        at = now - timedelta(days=n + 1)
        await ModelCallStore(pool).model_call(a_call(id=f"c{n}", session=f"s{n}", at=at, tier=2, cost_usd=cost))
    await ModelCallStore(pool).model_call(a_call(id="old", session="old", at=now - timedelta(days=40), cost_usd=1.0))
    views = CostViews(CostReads(pool), Settings(timezone="Europe/Berlin"), At(now))
    assert views.this_month == date(2026, 11, 1)
    month = await views.month(views.this_month, "tier")
    assert month.today is not None
    assert month.today.calls == 0
    assert month.total.cost_usd == 21.0
    assert month.forecast is not None
    assert (month.forecast.days, month.forecast.daily) == (7, 3.0)
    assert month.forecast.total == 21.0 + 3.0 * 10
    assert (month.before, month.after) == (date(2026, 10, 1), None)
    assert [(x.tier, x.dearest.cost_usd if x.dearest else None) for x in month.limits] == [
        (1, None),
        (2, 7.0),
        (3, None),
    ]
    october = await views.month(date(2026, 10, 1), "tier")
    assert (october.today, october.forecast, october.total.cost_usd) == (None, None, 1.0)
    assert (october.before, october.after) == (None, date(2026, 11, 1))


@pytest.mark.asyncio
async def test_bars_stand_on_each_other_and_inside_the_picture(pool: Pool):
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    for tier in (1, 2, 3):
        call = a_call(id=f"c{tier}", session=f"s{tier}", at=now, tier=tier, cost_usd=tier / 10)
        await ModelCallStore(pool).model_call(call)
    views = CostViews(CostReads(pool), Settings(), At(now))
    chart = cost_chart(await views.month(views.this_month, "tier"))
    assert [part for _, part in chart.keys] == ["3", "2", "1"]
    drawn = [piece for _, pieces in chart.parts for piece in pieces]
    pieces = sorted(drawn, key=lambda p: -p.y)
    for below, above in pairwise(pieces):
        assert above.y + above.height == pytest.approx(below.y, abs=0.2)
    assert min(p.y for p in pieces) >= 0
    assert max(p.y + p.height for p in pieces) <= HEIGHT
    assert re.fullmatch(r"20 Nov, tier 3: \$0\.30, 120 tokens", drawn[0].label)
