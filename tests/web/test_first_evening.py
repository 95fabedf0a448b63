"""The first evening with login, in browsers: setup, a link from a message, two roles, a session ended elsewhere."""

from pathlib import Path

from playwright.async_api import Browser, Page, expect

from adapters.database.pool import Pool
from adapters.database.reads import Reads
from domain.action import ActionKind
from domain.incident import IncidentState
from domain.people import Role
from tests.support.accounts import PASSWORD, TEST, account
from tests.support.browser import Dashboard, browser, dashboard, settings_for
from tests.support.engine_room import engine_room
from tests.support.temporal import dev_server
from tests.support.world import World, a_service
from tests.web.test_acts import a_waiting_approval, state_of


async def log_in(page: Page, name: str) -> None:
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Log in").click()


async def the_first_account(site: Dashboard, page: Page) -> None:
    code = await site.site.people.setup_code(TEST)
    assert code is not None
    await page.goto(f"{site.url}/setup?code={code}")
    await page.get_by_label("Your name").fill("Olga")
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_label("Password again").fill(PASSWORD)
    await page.get_by_role("button", name="Go in").click()
    await expect(page.locator("#live-dot")).to_have_attribute("data-state", "live")


async def a_link_is_opened(site: Dashboard, chrome: Browser, name: str, link: str) -> Page:
    """Somebody taps a link in a message on a phone where nobody is logged in."""
    page = await site.page(chrome, phone=True)
    await page.goto(site.url + link)
    await expect(page.locator("h1")).to_have_text("Log in")
    await log_in(page, name)
    await expect(page).to_have_url(site.url + link)
    return page


async def test_from_the_setup_code_to_an_approval_and_out_again(pool: Pool, tmp_path: Path):
    world = World([a_service("web", approval=(ActionKind.RESTART,))])
    async with dev_server() as (client, address), engine_room(client, pool, world) as engine:
        settings = settings_for(pool.url, tmp_path, temporal_address=address, web_login=True)
        async with dashboard(pool, settings) as site, browser() as chrome:
            desk = await site.page(chrome)
            await the_first_account(site, desk)
            await account(site, "otto", Role.OPERATOR)
            await account(site, "vera", Role.VIEWER)
            approval, incident = await a_waiting_approval(engine, site)

            vera = await a_link_is_opened(site, chrome, "vera", f"/incidents/{incident}?tab=log")
            await vera.goto(f"{site.url}/approvals/{approval}")
            await expect(vera.locator(".ask-card")).to_contain_text("You may only look")
            await expect(vera.get_by_role("button", name="Approve")).to_have_count(0)
            answer = await vera.request.post(
                f"{site.url}/approvals/{approval}/decide",
                form={"decision": "approve", "digest": "x"},
                headers={"Origin": site.url},
            )
            assert answer.status == 403
            assert not engine.world.performed

            otto = await a_link_is_opened(site, chrome, "otto", f"/approvals/{approval}")
            await otto.get_by_role("button", name="Approve").tap()
            await expect(otto.locator(".ask-card")).to_contain_text("Approved by otto")
            await expect(vera.locator(".ask-card")).to_contain_text("Approved by otto")  # live, without a reload
            await state_of(site, incident, IncidentState.RESOLVED)
            assert len(engine.world.performed) == 1

            phone = await a_link_is_opened(site, chrome, "olga", "/account")
            await expect(desk.locator("#live-dot")).to_have_attribute("data-state", "live")
            await phone.get_by_role("button", name="Sign out everywhere else").tap()
            await expect(phone.locator("#said")).to_contain_text("Signed out everywhere else: 1")
            await expect(desk.locator("h1")).to_have_text("Log in")  # at once: its stream was ended
            await log_in(desk, "olga")
            await expect(desk).to_have_url(site.url + "/")
    said = [(a.actor_kind, a.actor, a.action) for a in (await Reads(pool).audit()).rows]
    assert {("user", "otto", "approval.answered"), ("user", "vera", "access.refused")} <= set(said)
