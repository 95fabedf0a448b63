"""Every page in light and dark, on a phone and on a desk: no violation that axe knows, nothing too wide."""

import pytest
from playwright.async_api import Browser

from tests.support.axe import complaints
from tests.support.browser import Dashboard
from tests.web.test_pages import PAGES

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
async def test_every_page_is_accessible_and_fits(house: Dashboard, chrome: Browser, phone: bool, dark: bool):
    page = await house.page(chrome, phone=phone, dark=dark)
    found: list[str] = []
    for path in (*PAGES, "/nothing", "/incidents?service=nobody"):
        house.console.clear()
        await page.goto(house.url + path)
        if path == "/":
            await page.get_by_role("button", name="Run now").click()
            await page.get_by_label("Begin at").wait_for()
        found += await complaints(page, path)
        found += [f"{path}: {line}" for line in house.console if "404" not in line]
    await page.context.close()
    assert found == []


async def test_the_head_of_a_page_fits_at_every_width(house: Dashboard, chrome: Browser):
    page = await house.page(chrome)
    wide: list[int] = []
    for width in (320, 375, 640, 641, 768, 900, 920, 921, 1024, 1060, 1061, 1280):
        await page.set_viewport_size({"width": width, "height": 700})
        await page.goto(house.url + "/audit")
        bar = "document.querySelector('.bar')"
        if await page.evaluate(
            f"{bar}.scrollWidth > {bar}.clientWidth || document.documentElement.scrollWidth > innerWidth"
        ):
            wide.append(width)
    await page.context.close()
    assert wide == []
