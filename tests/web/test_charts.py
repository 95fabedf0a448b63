"""The course of an incident as numbers: what was done stays readable, however long it is watched afterwards."""

from datetime import UTC, datetime, timedelta

import pytest

from adapters.database.pool import Pool
from adapters.database.reads import Reads
from config.clock import SystemClock
from config.settings import Settings
from tests.support.seed_blocks import Stores
from tests.support.seed_stories import resolved, self_healed
from web.charts import LEFT, RIGHT, WIDTH, tier_chart
from web.services.insights import Insights

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
INSIDE = WIDTH - LEFT - RIGHT


async def view_of(pool: Pool, incident: str):
    view = await Insights(Reads(pool), Settings(), SystemClock()).incident(incident)
    assert view is not None
    return view


async def test_an_hour_of_re_checks_does_not_press_minutes_of_work_into_a_few_pixels(pool: Pool) -> None:
    incident = await resolved(Stores.on(pool), NOW - timedelta(hours=9))
    chart = tier_chart(await view_of(pool, incident), NOW)
    assert all(bar.width > INSIDE / 20 for bar in chart.bars)
    assert chart.bars[0].width == pytest.approx(INSIDE)
    assert [chart.ticks[0].text, chart.ticks[-1].text] == ["0", "… +1 h 5 min"]
    assert all(LEFT <= mark.x <= WIDTH - RIGHT for mark in chart.marks)


async def test_a_short_incident_is_drawn_whole(pool: Pool) -> None:
    incident = await self_healed(Stores.on(pool), NOW - timedelta(hours=9))
    chart = tier_chart(await view_of(pool, incident), NOW)
    assert chart.ticks[-1].text == "+6 s"
    assert len(chart.bars) == 1
