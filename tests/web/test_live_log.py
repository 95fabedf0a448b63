"""The live log in a real browser: follow, hold, resume, no gap and no double, hostile text, and what a reader holds."""

import contextlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from adapters.database.incidents import IncidentStore
from domain.ids import SessionId
from domain.incident import Timeline
from tests.support import seed
from tests.support.browser import Dashboard, dashboard
from tests.support.logs import NUMBERS, Writer, new_writer, shown, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

BOTTOM = "() => Math.abs(document.querySelector('[data-log]').scrollTop) < 4"
FIRST_SEEN = """() => { const p = document.querySelector('[data-log]'), top = p.getBoundingClientRect().top;
  return [...p.querySelectorAll('li')].find(li => li.getBoundingClientRect().bottom > top + 1).id; }"""


@pytest_asyncio.fixture(loop_scope="module")
async def writer(house: Dashboard) -> Writer:
    """A fresh incident with a session that writes."""
    return await new_writer(house)


@pytest_asyncio.fixture(loop_scope="module")
async def page(house: Dashboard, chrome: Browser, writer: Writer) -> AsyncIterator[Page]:
    """The incident's page, connected."""
    await writer.some(60)
    opened = await house.page(chrome)
    await opened.goto(f"{house.url}/incidents/{writer.incident}")
    await opened.wait_for_selector("#live-dot[data-state=live]")
    yield opened
    await opened.context.close()


async def test_it_follows_at_the_end_holds_when_scrolled_up_and_follows_again(page: Page, writer: Writer):
    await shown(page, await writer.some(40))
    assert await page.evaluate(BOTTOM)
    await page.evaluate("document.querySelector('[data-log]').scrollTop = -500")
    await page.wait_for_timeout(100)
    before = await page.evaluate(FIRST_SEEN)
    await shown(page, await writer.some(40))
    assert await page.evaluate(FIRST_SEEN) == before
    pill = page.locator("[data-pill-for]")
    assert "newer" in await pill.inner_text()
    await pill.click()
    await shown(page, await writer.some(5))
    assert await page.evaluate(BOTTOM)
    assert await page.evaluate(NUMBERS) == list(range(1, writer.last + 1))


async def test_a_lost_connection_leaves_no_gap_and_no_double(house: Dashboard, chrome: Browser, writer: Writer):
    settings = house.site.settings
    await writer.some(10)
    async with contextlib.AsyncExitStack() as first:
        one = await first.enter_async_context(dashboard(house.pool, settings))
        port = int(one.url.rsplit(":", 1)[1])
        page = await one.page(chrome)
        await page.goto(f"{one.url}/incidents/{writer.incident}")
        await page.wait_for_selector("#live-dot[data-state=live]")
        await shown(page, await writer.some(10))
    await writer.some(300)  # while nobody serves
    async with dashboard(house.pool, settings, port):
        await shown(page, await writer.some(10))
        await page.wait_for_selector("#live-dot[data-state=live]")
        assert await page.evaluate(NUMBERS) == list(range(1, writer.last + 1))
    await page.context.close()


async def test_a_lost_listening_connection_loses_no_line(house: Dashboard, page: Page, writer: Writer):
    async with house.pool.connection() as conn:
        await conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()"
        )
    await shown(page, await writer.some(30))
    assert await page.evaluate(NUMBERS) == list(range(1, writer.last + 1))


async def test_what_a_reader_selected_and_typed_stays_through_updates(house: Dashboard, page: Page, writer: Writer):
    await page.evaluate("""() => { const t = document.querySelector('#L30 .txt').firstChild; const r = document.createRange();
      r.setStart(t, 0); r.setEnd(t, 7); const s = getSelection(); s.removeAllRanges(); s.addRange(r); window.kept = document.querySelector('#L30'); }""")
    for n in range(4):
        await IncidentStore(house.pool).timeline(
            f"{writer.incident}/{n}",
            Timeline(incident=writer.incident, at=datetime.now(UTC), kind="note", text=f"update number {n}"),
        )
        await writer.some(3)
    await until(
        lambda: page.evaluate("document.querySelector('.history').textContent.includes('update number 3')"),
        "the timeline's update",
    )
    await shown(page, writer.last)
    assert await page.evaluate("getSelection().toString()") == "line of"
    assert await page.evaluate("window.kept === document.querySelector('#L30')")


async def test_typed_text_and_open_details_stay_on_a_page_that_refreshes(house: Dashboard, chrome: Browser):
    page = await house.page(chrome)
    await page.goto(f"{house.url}/approvals")
    await page.wait_for_selector("#live-dot[data-state=live]")
    await page.locator(".ask-card details summary").first.click()
    await page.locator(".ask-card input[name=reason]").first.fill("not before the backup")
    requests: list[str] = []
    page.on("response", lambda r: requests.append(r.url) if r.url.endswith("/approvals") else None)
    house.site.hub.changed("approval")
    await until(lambda: _one(requests), "the refresh")
    await page.wait_for_timeout(300)
    assert await page.locator(".ask-card input[name=reason]").first.input_value() == "not before the backup"
    assert await page.locator(".ask-card details").first.get_attribute("open") is not None
    await page.context.close()


async def _one(found: list[str]) -> bool:
    return bool(found)


async def test_hostile_output_is_text_and_nothing_else(house: Dashboard, page: Page, writer: Writer):
    house.console.clear()
    bad = "<script>window.hacked=1</script><img src=x onerror='window.hacked=2'><hx-partial hx-target='body'>gone</hx-partial>"
    said = json.dumps({"type": "assistant", "message": {"content": [{"type": "text", "text": bad}]}})
    await writer.write(
        bad,
        said,
        "a\nevent: change\ndata: {}\n\nid: 999999\nb",
        "\x1b[31mred\x1b[0m\x1b]0;t\x07",
        "abc \u202edef \u05d0\u05d1\u05d2",
        "y" * 1_000_000,
        "last of them",
    )
    await shown(page, writer.last)
    assert await page.evaluate("window.hacked") is None
    text = await page.locator("[data-log] ol").inner_text()
    assert bad in text
    assert "id: 999999" in text
    assert "[U+202E]" in text
    assert "996,000 more characters" in text
    assert await page.locator("[data-log] .a-red").inner_text() == "red"
    assert await page.evaluate(NUMBERS) == list(range(1, writer.last + 1))
    assert house.console == []


async def test_earlier_lines_come_on_demand_and_a_linked_line_is_shown(
    house: Dashboard, chrome: Browser, writer: Writer
):
    await writer.some(900)
    page = await house.page(chrome)
    await page.goto(f"{house.url}/incidents/{writer.incident}")
    assert (await page.evaluate(NUMBERS))[0] == 601
    await page.locator("[data-earlier]").click()
    await shown(page, 201)
    await page.locator("[data-earlier]").click()
    await shown(page, 1)
    assert await page.evaluate(NUMBERS) == list(range(1, 901))
    assert not await page.locator("[data-earlier]").is_visible()
    await page.goto(f"{house.url}/incidents/{writer.incident}?log={writer.session}:1&line=300#L300")
    assert await page.locator("#L300").is_visible()
    assert "later lines" in await page.locator("[data-log]").inner_text()
    await page.context.close()


async def test_the_page_keeps_a_bounded_number_of_lines(page: Page, writer: Writer):
    for _ in range(5):
        await writer.some(500)
    await shown(page, writer.last)
    numbers = await page.evaluate(NUMBERS)
    assert len(numbers) <= 2000
    assert numbers == list(range(numbers[0], writer.last + 1))
    assert await page.locator("[data-earlier]").count() == 1
    assert await page.evaluate("!document.querySelector('[data-earlier]').hidden")


async def test_a_new_session_takes_the_pane_over_from_a_reader_at_the_end(house: Dashboard, page: Page, writer: Writer):
    stores = seed.Stores.on(house.pool)
    later = SessionId(str(writer.session).replace("-8000-", "-9000-"))
    await stores.sessions.session_started(
        seed.order(writer.incident, later, 3), seed.WALLED, scripted=False, at=datetime.now(UTC)
    )
    await IncidentStore(house.pool).timeline(
        f"{writer.incident}/t3",
        Timeline(incident=writer.incident, at=datetime.now(UTC), kind="tier_started", text="tier 3 began"),
    )
    await page.wait_for_selector(f"[data-log='{later}:1']")
    third = Writer(house, writer.incident, later, 0)
    await third.write("the first line of tier 3", "the second")
    await until(
        lambda: page.evaluate("document.querySelector('[data-log]').innerText.includes('the second')"),
        "the new session's lines",
    )
    assert await page.evaluate(NUMBERS) == [1, 2]


async def test_ten_tabs_load_and_share_one_stream(house: Dashboard, chrome: Browser, writer: Writer):
    await writer.some(5)
    context = await chrome.new_context()
    pages = [await context.new_page() for _ in range(10)]
    for page in pages:
        await page.goto(f"{house.url}/incidents/{writer.incident}", timeout=8000)
        await page.wait_for_selector("#live-dot[data-state=live]", timeout=12_000)
    last = await writer.some(5)
    for page in pages:
        await shown(page, last)
        assert await page.evaluate(NUMBERS) == list(range(1, last + 1))
    await until(lambda: _streams(house, 1), "one stream for ten tabs")
    # One more page that is behind makes the shared stream go back: the others must not see lines twice.
    await pages[
        0
    ].evaluate("""() => { const b = document.body.dataset, w = new SharedWorker(b.worker, 'tiercel'); w.port.start();
      w.port.postMessage({say: 'want', url: b.events, topics: [], places: {[document.querySelector('[data-log]').dataset.log]: 2}}); }""")
    last = await writer.some(3)
    for page in pages:
        await shown(page, last)
        assert await page.evaluate(NUMBERS) == list(range(1, last + 1))
    await context.close()
    await until(lambda: _streams(house, 0), "the stream ends with the last tab")


async def _streams(house: Dashboard, count: int) -> bool:
    return house.site.hub.open_streams == count


async def test_without_a_shared_worker_a_page_has_its_own_stream(house: Dashboard, chrome: Browser, writer: Writer):
    page = await house.page(chrome)
    await page.add_init_script("delete window.SharedWorker")
    await page.goto(f"{house.url}/incidents/{writer.incident}")
    await page.wait_for_selector("#live-dot[data-state=live]")
    await shown(page, await writer.some(3))
    await page.context.close()


async def test_without_any_stream_a_page_still_gets_its_lines(house: Dashboard, chrome: Browser, writer: Writer):
    page = await house.page(chrome)
    await page.add_init_script("delete window.SharedWorker")
    await page.route("**/stream?*", lambda route: route.abort())  # a proxy that holds streams back
    await page.goto(f"{house.url}/incidents/{writer.incident}")
    await writer.some(3)
    await until(lambda: page.evaluate("!!document.getElementById('L3')"), "polling", 15)
    assert await page.locator("#live-dot").get_attribute("data-state") == "polling"
    await page.context.close()
