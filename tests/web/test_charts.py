"""The course of an incident as numbers: what was done stays readable, however long it is watched afterwards."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Browser

from adapters.database.pool import Pool
from adapters.database.reads import Reads
from config.clock import SystemClock
from config.settings import Settings
from tests.support.browser import Dashboard
from tests.support.seed_blocks import Stores
from tests.support.seed_stories import resolved, self_healed
from web.charts import tier_chart
from web.services.insights import Insights

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


async def view_of(pool: Pool, incident: str):
    view = await Insights(Reads(pool), Settings(), SystemClock()).incident(incident)
    assert view is not None
    return view


async def test_an_hour_of_re_checks_does_not_press_minutes_of_work_into_a_few_pixels(pool: Pool) -> None:
    incident = await resolved(Stores.on(pool), NOW - timedelta(hours=9))
    chart = tier_chart(await view_of(pool, incident), NOW)
    assert all(bar.width > 5 for bar in chart.bars)
    assert chart.bars[0].width == pytest.approx(100)
    assert [chart.ticks[0].text, chart.ticks[-1].text] == ["0", "… +1 h 5 min"]
    assert all(0 <= mark.x <= 100 for mark in chart.marks)


async def test_a_short_incident_is_drawn_whole(pool: Pool) -> None:
    incident = await self_healed(Stores.on(pool), NOW - timedelta(hours=9))
    chart = tier_chart(await view_of(pool, incident), NOW)
    assert chart.ticks[-1].text == "+6 s"
    assert len(chart.bars) == 1


@pytest.mark.browser
@pytest.mark.asyncio(loop_scope="module")
async def test_the_course_fits_on_a_phone_and_its_words_stay_readable(house: Dashboard, chrome: Browser) -> None:
    page = await house.page(chrome, phone=True)
    await page.goto(f"{house.url}/incidents/inc_90be77aa-paperless")
    chart = page.locator("svg.course")
    assert await chart.evaluate("(svg) => svg.parentElement.scrollWidth - svg.parentElement.clientWidth") == 0
    box = await chart.bounding_box()
    assert box is not None
    assert 300 < box["width"] < 375
    words = await chart.locator("text:visible").evaluate_all(
        "(all) => all.map((t) => { const r = t.getBoundingClientRect(); return [t.textContent, r.left, r.right, r.top, r.bottom, r.height]; })"
    )
    assert all(left >= 0 and right <= 375 and height >= 10 for _, left, right, _, _, height in words), words
    for n, (one, left, right, top, bottom, _) in enumerate(words):
        for other, left2, right2, top2, bottom2, _ in words[n + 1 :]:
            apart = right <= left2 or right2 <= left or bottom <= top2 or bottom2 <= top
            assert apart, f"{one} lies over {other}"
    await page.context.close()
