"""Without JavaScript: what a page does by a dialog, a plain form below it does."""

from urllib.parse import parse_qs

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
    async with page.expect_request(lambda r: r.method == "POST") as sent:
        await form.get_by_role("button", name="Pause").click(no_wait_after=True)
    assert (await sent.value).post_data == "reason=on+holiday+until+Monday"
    await context.close()


@pytest.mark.parametrize("script", [True, False], ids=["script", "none"])
async def test_enter_in_a_field_of_a_question_approves_nothing(house: Dashboard, chrome: Browser, script: bool):
    context = await chrome.new_context(java_script_enabled=script)
    page = await context.new_page()
    sent: list[str] = []
    page.on(
        "request", lambda r: sent.append(parse_qs(r.post_data or "")["decision"][0]) if r.method == "POST" else None
    )
    await page.goto(f"{house.url}/approvals/apr_postgres_restart")
    await page.get_by_label("Reason").fill("not now")
    await page.keyboard.press("Enter")
    await page.get_by_text("Change it").click()
    await page.locator('[name="stop_wait_s"]').fill("30")
    await page.keyboard.press("Enter")
    async with page.expect_request(lambda r: r.method == "POST"):
        await page.get_by_role("button", name="Deny").click(no_wait_after=True)
    assert sent == ["deny"]
    await context.close()
