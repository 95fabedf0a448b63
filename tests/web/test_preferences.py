"""What a browser chooses for itself: the zone of times, keyboard shortcuts."""

import re
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import aiohttp
import pytest
from playwright.async_api import Browser

from tests.support.browser import Dashboard, dashboard

pytestmark = pytest.mark.asyncio(loop_scope="module")

US = {"X-Tiercel-Client": "test"}


async def times(web: aiohttp.ClientSession) -> list[str]:
    async with web.get("/audit") as answer:
        return re.findall(r'<time datetime="[^"]*" title="([^"]*)"', await answer.text())


async def choose(web: aiohttp.ClientSession, **fields: str) -> None:
    async with web.post("/preferences", data=fields, headers=US, allow_redirects=False) as answer:
        assert answer.status == 303, await answer.text()


async def test_times_are_in_the_zone_that_was_chosen(house: Dashboard, tmp_path: Path):
    settings = house.site.settings.model_copy(update={"timezone": "Asia/Tokyo", "home": tmp_path})
    jar = aiohttp.CookieJar(unsafe=True)
    async with (
        dashboard(house.pool, settings) as opened,
        aiohttp.ClientSession(opened.url, cookie_jar=jar) as web,
    ):
        at = (await opened.site.insights.audit()).rows[0].at
        assert f"{at.astimezone(ZoneInfo('Asia/Tokyo')):%Y-%m-%d %H:%M:%S} JST" in await times(web)
        await choose(web, zone="utc")
        assert f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" in await times(web)
        await choose(web, zone="browser", browser_zone="Europe/Berlin")
        berlin = at.astimezone(ZoneInfo("Europe/Berlin"))
        assert f"{berlin:%Y-%m-%d %H:%M:%S %Z}" in await times(web)
        async with web.get("/audit.csv") as answer:
            assert berlin.isoformat(timespec="seconds") in await answer.text()
        await choose(web, zone="browser", browser_zone="../../etc/passwd")  # no zone: as if nothing were chosen
        assert f"{at.astimezone(ZoneInfo('Asia/Tokyo')):%Y-%m-%d %H:%M:%S} JST" in await times(web)


async def test_a_program_gets_utc(house: Dashboard, tmp_path: Path):
    settings = house.site.settings.model_copy(update={"timezone": "Asia/Tokyo", "home": tmp_path})
    async with dashboard(house.pool, settings) as opened, aiohttp.ClientSession(opened.url) as web:
        async with web.get("/audit.csv") as answer:
            text = await answer.text()
        at = (await opened.site.insights.audit()).rows[0].at
        assert at.astimezone(UTC).isoformat(timespec="seconds") in text


async def test_a_browser_s_own_zone_is_one_click(house: Dashboard, chrome: Browser):
    context = await chrome.new_context(timezone_id="Australia/Sydney")
    page = await context.new_page()
    await page.goto(f"{house.url}/audit")
    await page.get_by_role("button", name="this browser").click()
    sydney = datetime.now(ZoneInfo("Australia/Sydney")).tzname()
    assert (await page.locator("#live time").first.get_attribute("title") or "").endswith(sydney or "?")
    assert await page.get_by_role("button", name="Australia/Sydney").get_attribute("aria-pressed") == "true"
    await context.close()


@pytest.mark.parametrize("fields", [{"zone": "mars"}, {"log": "blink"}, {"keys": "maybe"}])
async def test_what_does_not_exist_cannot_be_chosen(house: Dashboard, fields: dict[str, str]):
    async with (
        aiohttp.ClientSession() as web,
        web.post(f"{house.url}/preferences", data=fields, headers=US, allow_redirects=False) as answer,
    ):
        assert answer.status == 422
        assert "set-cookie" not in answer.headers


async def test_keys_lead_around_are_ignored_while_typing_and_can_be_switched_off(house: Dashboard, chrome: Browser):
    page = await house.page(chrome)
    await page.goto(f"{house.url}/audit")
    await page.keyboard.press("/")
    field = page.get_by_label("Actor", exact=True)
    assert await field.evaluate("el => el === document.activeElement")
    await page.keyboard.type("ga?/")
    assert await field.input_value() == "ga?/"
    assert page.url.endswith("/audit")
    await page.keyboard.press("Tab")
    for keys, path in (
        ("gi", "/incidents"),
        ("ga", "/approvals"),
        ("gr", "/runs"),
        ("ge", "/events"),
        ("gs", "/services"),
    ):
        await page.evaluate("document.activeElement.blur()")
        await page.keyboard.press(keys[0])
        await page.keyboard.press(keys[1])
        await page.wait_for_url(f"{house.url}{path}")
    await page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard")
    await dialog.wait_for()
    await dialog.get_by_role("button", name="Switch them off").click()
    await page.wait_for_load_state()
    await page.keyboard.press("?")
    await page.keyboard.press("g")
    await page.keyboard.press("a")
    await page.wait_for_timeout(200)
    assert not await dialog.is_visible()
    assert page.url.endswith("/services")
    await page.get_by_role("button", name="Keyboard").click()
    assert await dialog.get_by_role("button", name="Switch them on").is_visible()
    await page.context.close()
