"""Without JavaScript: what a page does by a dialog, a plain form below it does, and what is refused is not lost."""

import pytest
from playwright.async_api import Browser, expect

from tests.support.browser import PHONE, Dashboard

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.browser, pytest.mark.postgres]


async def test_what_a_dialog_does_a_form_below_the_page_does(house: Dashboard, chrome: Browser):
    context = await chrome.new_context(java_script_enabled=False, viewport=PHONE)
    page = await context.new_page()
    for path, name in (
        ("/services/local/blog", "Snooze local/blog"),
        ("/services/local/blog", "Maintenance local/blog"),
        ("/incidents/inc_5a77d0e9-blog-0004", "Close this incident by hand"),
        ("/cooldowns", "Reset the cooldowns of local/paperless"),
        ("/budgets", "Pause all sessions"),
    ):
        await page.goto(house.url + path)
        await expect(page.get_by_role("heading", name=name)).to_be_visible()
        await expect(page.locator("[data-close]").first).to_be_hidden()
        await expect(page.locator("button[data-dialog]").first).to_be_hidden()
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    form = page.locator('form[action="/budgets/pause"]')
    await form.get_by_label("Reason").fill("on holiday until Monday")
    await form.get_by_role("button", name="Pause").click()
    await expect(page.locator("[data-message]")).to_contain_text("Temporal")
    await expect(page.get_by_label("What you wrote")).to_have_value("on holiday until Monday")
    await page.get_by_role("link", name="Back to the form").click()
    await expect(page).to_have_url(f"{house.url}/budgets")
    await context.close()
