"""Looking for something in a log: filter, context, download, looks that are remembered, and what is not shown."""

import asyncio
import json
import re
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.support.browser import Dashboard
from tests.support.logs import NUMBERS, Writer, new_writer, shown, until
from web.live.cursor import LogKey

pytestmark = pytest.mark.asyncio(loop_scope="module")


def said(text: str) -> str:
    return json.dumps({"type": "assistant", "message": {"content": [{"type": "text", "text": text}]}})


def failed(text: str) -> str:
    block = {"type": "tool_result", "is_error": True, "content": text}
    return json.dumps({"type": "user", "message": {"content": [block]}})


@pytest_asyncio.fixture(loop_scope="module")
async def writer(house: Dashboard) -> Writer:
    return await new_writer(house)


@pytest_asyncio.fixture(loop_scope="module")
async def page(house: Dashboard, chrome: Browser) -> AsyncIterator[Page]:
    opened = await house.page(chrome)
    yield opened
    await opened.context.close()


def log_url(house: Dashboard, writer: Writer, query: str = "") -> str:
    return f"{house.url}/incidents/{writer.incident}?log={writer.session}:1{query}#log"


async def test_a_filter_shows_what_matches_says_how_many_and_stays_live(house: Dashboard, page: Page, writer: Writer):
    await writer.write(*(said(f"step {n}") for n in range(1, 400)), failed("Connection REFUSED"), *(["tail"] * 12))
    await page.goto(log_url(house, writer))
    await page.get_by_label("Text in the line").fill("refused")
    await page.get_by_role("button", name="Filter").click()
    status = page.locator("[data-matches]")
    assert await status.inner_text() == "1 of 412 lines matches this filter · clear"
    assert await page.evaluate(NUMBERS) == [400]
    await page.wait_for_selector("#live-dot[data-state=live]")
    await writer.write("nothing", failed("refused again"))
    await shown(page, 414)
    assert await page.evaluate(NUMBERS) == [400, 414]
    await until(lambda: _says(page, "2 of 414 lines match this filter · clear"), "the new count")
    await page.locator("#L400 > a").click()  # a matching line leads to its place in the whole log
    assert "find" not in page.url
    numbers = await page.evaluate(NUMBERS)
    assert {399, 400, 401} <= set(numbers)
    assert await page.locator("#L400").is_visible()


async def _says(page: Page, text: str) -> bool:
    return await page.locator("[data-matches]").inner_text() == text


async def test_nothing_that_matches_is_no_empty_box(house: Dashboard, page: Page, writer: Writer):
    await writer.some(412)
    await page.goto(log_url(house, writer, "&find=<b>nobody</b>"))
    assert await page.locator("[data-matches]").inner_text() == "0 of 412 lines match this filter · clear"
    await page.locator("[data-matches] a").click()
    await shown(page, 412)
    assert await page.locator("[data-matches]").count() == 0


async def test_errors_are_one_click_away(house: Dashboard, page: Page, writer: Writer):
    await writer.write(said("an error of mine"), failed("no such file"), "plain", said("fixed"))
    await page.goto(log_url(house, writer))
    await page.get_by_role("link", name="errors only").click()
    assert "1 of 4 lines" in await page.locator("[data-matches]").inner_text()
    assert await page.evaluate(NUMBERS) == [2]


async def test_a_long_log_is_searched_in_parts(house: Dashboard, page: Page, writer: Writer):
    for n in range(24):
        await writer.write(*(said("rare" if n == 1 and k == 5 else f"line {n} {k}") for k in range(1000)))
    await page.goto(log_url(house, writer, "&find=rare"))
    assert "0 of the newest 20,000 lines match" in await page.locator("[data-matches]").inner_text()
    button = page.locator("[data-earlier]")
    assert await button.inner_text() == "Search 4,000 earlier lines"
    await button.click()
    await shown(page, 1006)
    assert await page.evaluate(NUMBERS) == [1006]
    assert "1 of 24,000 lines matches" in await page.locator("[data-matches]").inner_text()
    assert not await button.is_visible()


async def test_a_download_has_what_the_filter_lets_through(house: Dashboard, writer: Writer):
    await writer.write(said("one needle"), said("hay"), failed("two Needles"), "\x1b[31mneedle\x1b[0m three")
    async with aiohttp.ClientSession(house.url) as web:
        for query, numbers in (("", "1234"), ("?find=NEEDLE", "134"), ("?find=needle&kind=error", "3")):
            async with web.get(f"/sessions/{writer.session}/1.txt{query}") as answer:
                text = await answer.text()
            assert "".join(line.split("\t")[0] for line in text.splitlines()) == numbers, query
            assert "\x1b" not in text


async def test_looks_are_remembered_on_every_log(house: Dashboard, chrome: Browser, writer: Writer):
    page = await house.page(chrome)
    await writer.some(80)
    await page.goto(log_url(house, writer))
    pane = page.locator("[data-log]")
    assert set((await pane.get_attribute("class") or "").split()) == {"log", "wrap"}
    for label in ("wrap lines", "times", "newest first"):
        async with page.expect_response(re.compile("/preferences$")):
            await page.get_by_label(label).click()
    await page.goto(f"{house.url}/incidents/inc_7f3a01c2-blog-0001")
    assert set((await pane.get_attribute("class") or "").split()) == {"log", "ended", "newest", "stamps"}
    assert await page.locator("#L1 .at").is_visible()
    await page.goto(log_url(house, writer))
    await page.wait_for_selector("#live-dot[data-state=live]")
    tops = "n => document.getElementById('L' + n).getBoundingClientRect().top"
    await shown(page, await writer.some(1))
    assert await page.evaluate(tops, writer.last) < await page.evaluate(tops, writer.last - 1)
    assert await page.locator(f"#L{writer.last}").is_visible()
    await page.evaluate("document.querySelector('[data-log]').scrollTop = 400")
    await page.wait_for_timeout(100)
    before = await page.evaluate(tops, 40)
    await shown(page, await writer.some(20))
    assert abs(await page.evaluate(tops, 40) - before) < 2  # held, although twenty lines came above
    assert "newer" in await page.locator("[data-pill-for]").inner_text()
    await page.context.close()


async def test_what_is_not_shown_is_counted(house: Dashboard, page: Page, writer: Writer):
    await writer.some(900)
    await page.goto(log_url(house, writer))
    assert await page.locator("[data-earlier]").inner_text() == "Load earlier lines (600 not shown)"
    async with house.pool.connection() as conn:
        await conn.execute("UPDATE session SET lines = 900 WHERE id = %s", (writer.session,))
        await conn.execute("DELETE FROM session_output WHERE session = %s", (writer.session,))
    await page.reload()
    assert (
        "900 lines were written. They were removed after the retention time."
        in await page.locator("[data-log]").inner_text()
    )


async def test_loading_ever_earlier_lines_keeps_the_page_bounded(house: Dashboard, page: Page, writer: Writer):
    for _ in range(10):
        await writer.some(600)
    await page.goto(log_url(house, writer))
    button = page.locator("[data-earlier]")
    for n in range(14):
        await button.click()
        await shown(page, 6000 - 300 - 400 * (n + 1) + 1)
    numbers = await page.evaluate(NUMBERS)
    assert numbers == list(range(101, 4101))
    await page.evaluate("document.querySelector('[data-log]').scrollTop = 0")
    await shown(page, 6000)
    numbers = await page.evaluate(NUMBERS)
    assert len(numbers) <= 4000
    assert numbers == list(range(numbers[0], 6001))


async def test_a_hidden_tab_catches_up_when_it_is_looked_at(house: Dashboard, page: Page, writer: Writer):
    await writer.some(10)
    await page.goto(log_url(house, writer))
    await page.wait_for_selector("#live-dot[data-state=live]")
    # The stream says nothing of these lines: as if the browser had frozen the tab.
    subscriptions = [s for s in house.site.hub._streams if LogKey(writer.session, 1) in s.logs]
    for subscription in subscriptions:
        subscription.logs = tuple(k for k in subscription.logs if k.session != writer.session)
    await writer.some(50)
    await asyncio.sleep(0.2)
    assert len(await page.evaluate(NUMBERS)) == 10
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await shown(page, 60)
    assert await page.evaluate(NUMBERS) == list(range(1, 61))
