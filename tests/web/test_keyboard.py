"""Every page by keyboard alone: each control is reached by Tab, shows that it has the focus, and lets it go again."""

import pytest
from playwright.async_api import Browser, Page

from tests.support.browser import Dashboard
from tests.web.test_pages import PAGES

pytestmark = pytest.mark.asyncio(loop_scope="module")

# What can be clicked or typed into and is shown, once each; radio buttons of one name are one stop.
STOPS = """() => {
  const all = [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex]')];
  const shown = all.filter((el) => !el.disabled && el.tabIndex >= 0 && el.type !== 'hidden' && el.checkVisibility({visibilityProperty: true}));
  const seen = new Set();
  let n = 0;
  for (const el of shown) {
    if (el.type === 'radio') { if (seen.has(el.name)) { continue; } seen.add(el.name); }
    el.dataset.stop = String(n++);
  }
  return n;
}"""
# Pico draws the focus as a shadow or an outline; both are transparent or none without it.
FOCUS = """() => {
  const el = document.activeElement;
  if (!el || el === document.body) { return null; }
  const s = getComputedStyle(el), width = parseFloat(s.outlineWidth);
  const drawn = (s.outlineStyle !== 'none' && width > 0) || s.boxShadow !== 'none' || el.type === 'checkbox' || el.type === 'radio';
  const radio = el.type === 'radio' ? document.querySelector(`[type=radio][name="${el.name}"][data-stop]`) : null;
  return {stop: (radio || el).dataset.stop ?? '', drawn, what: el.outerHTML.slice(0, 120)};
}"""


async def walk(page: Page) -> tuple[set[str], list[str]]:
    """Press Tab until the focus leaves the page: the stops that were reached, and those that did not show it."""
    reached: set[str] = set()
    unseen: list[str] = []
    for _ in range(600):
        await page.keyboard.press("Tab")
        at = await page.evaluate(FOCUS)
        if at is None:
            return reached, unseen
        if at["stop"]:
            reached.add(at["stop"])
        if not at["drawn"]:
            unseen.append(at["what"])
    raise AssertionError(f"the focus never leaves {page.url}")


async def test_everything_is_reached_by_keyboard_and_shows_it(house: Dashboard, chrome: Browser):
    page = await house.page(chrome)
    found: dict[str, list[str]] = {}
    for path in PAGES:
        await page.goto(house.url + path)
        await page.wait_for_load_state("load")
        count = int(await page.evaluate(STOPS))
        reached, unseen = await walk(page)
        missed = sorted({str(n) for n in range(count)} - reached)
        texts = [await page.locator(f'[data-stop="{n}"]').evaluate("el => el.outerHTML.slice(0, 160)") for n in missed]
        if texts or unseen:
            found[path] = [*texts, *unseen]
    await page.context.close()
    assert found == {}


async def test_the_first_stop_skips_to_the_content(house: Dashboard, chrome: Browser):
    page = await house.page(chrome)
    await page.goto(house.url + "/services")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert await page.evaluate("document.activeElement.getBoundingClientRect().top >= 0")
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.getElementById('main').contains(document.activeElement)")
    await page.context.close()


async def test_a_dialog_opens_takes_the_focus_and_gives_it_back(house: Dashboard, chrome: Browser):
    page = await house.page(chrome)
    await page.goto(house.url + "/cooldowns")
    button = page.get_by_role("button", name="Reset the cooldowns of local/paperless")
    await button.focus()
    await page.keyboard.press("Enter")
    await page.get_by_role("dialog").get_by_label("Reason").wait_for()
    assert await page.evaluate("Boolean(document.activeElement.closest('dialog[open]'))")
    await page.keyboard.press("Escape")
    assert await button.evaluate("el => el === document.activeElement")
    await page.context.close()


async def test_a_row_unfolds_and_a_filter_is_sent_without_a_mouse(house: Dashboard, chrome: Browser):
    page = await house.page(chrome)
    await page.goto(house.url + "/runs")
    await page.locator(".chain summary").first.focus()
    await page.keyboard.press("Enter")
    await page.locator(".chain[open] a").first.wait_for()
    await page.get_by_label("Service", exact=True).focus()
    await page.keyboard.type("local/blog")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/runs?*service=local*")
    assert await page.locator("tbody tr").count() == 2
    await page.context.close()


async def test_keys_lead_to_every_page_of_the_navigation_and_unfold_a_filter(house: Dashboard, chrome: Browser):
    page = await house.page(chrome)
    await page.goto(house.url + "/")
    await page.keyboard.press("?")
    told = await page.locator(".keys-list kbd").all_inner_texts()
    led = {await a.get_attribute("href") for a in await page.locator(".mainnav a").all()}
    assert {path.split("=")[1] for path in (await page.locator("body").get_attribute("data-go") or "").split()} == led
    assert len(told) == len(set(told)) == len(led) + 2
    await page.keyboard.press("Escape")
    await page.keyboard.press("g")
    await page.keyboard.press("h")
    await page.wait_for_url("**/schedules")
    await page.context.close()
    phone = await house.page(chrome, phone=True)
    await phone.goto(house.url + "/audit")
    assert not await phone.locator("#find").is_visible()
    await phone.keyboard.press("/")
    await phone.keyboard.type("ada")
    await phone.keyboard.press("Enter")
    await phone.wait_for_url("**/audit?*actor=ada*")
    assert await phone.locator("#find").is_visible()  # while it is in use
    await phone.context.close()
