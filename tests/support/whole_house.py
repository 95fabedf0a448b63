"""A dashboard with everything behind it: a login, a busy day, Temporal with schedules and a history, and a link."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.async_api import Browser, Page
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from adapters.database.links import LinkStore
from adapters.database.pool import Pool
from domain.incident import Approval
from domain.links import LinkPurpose
from domain.people import Role, Scope
from tests.support import seed
from tests.support.accounts import PASSWORD, TEST, account
from tests.support.browser import Dashboard, dashboard, settings_for
from tests.support.postgres import TEMPLATE, TestServer
from tests.support.temporal import dev_server
from worker import schedules

ADMIN = "ada"
REPAIRED = "inc_7f3a01c2-blog-0001"


@activity.defn(name="run_session")
async def run_session(tier: int) -> str:
    """A session of a tier; the first one ends badly once."""
    if tier == 1 and activity.info().attempt == 1:
        raise ApplicationError("the gateway did not answer within 5 s")
    return f"tier {tier} ended"


@activity.defn(name="probe_services")
async def probe_services() -> str:
    """The proof."""
    return "all green"


@workflow.defn(name="EscalationWorkflow")
class Story:
    """What an escalation's history looks like, in seconds."""

    @workflow.run
    async def run(self) -> None:
        """Two tiers, and the proof."""
        soon, retry = timedelta(seconds=10), RetryPolicy(initial_interval=timedelta(seconds=0.05))
        for tier in (1, 2):
            await workflow.execute_activity(run_session, tier, start_to_close_timeout=soon, retry_policy=retry)
        await workflow.sleep(0.01)
        await workflow.execute_activity(probe_services, start_to_close_timeout=soon)


@dataclass
class WholeHouse:
    """A running dashboard, the approval that waits in it, and the token of a link to it."""

    site: Dashboard
    base: str  # the address that people use, with its path
    approval: Approval | None
    link: str
    invitation: str
    key: str

    async def log_in(self, page: Page, base: str = "") -> None:
        """As its admin, in this browser."""
        await page.goto(f"{base or self.base}/login")
        await page.get_by_label("Name").fill(ADMIN)
        await page.get_by_label("Password").fill(PASSWORD)
        await page.locator("main").get_by_role("button", name="Log in").click()
        await page.get_by_role("button", name="Log out").wait_for()

    async def browser_page(self, chrome: Browser, *, phone: bool = False, dark: bool = False) -> Page:
        """A page in a browser of its own that is logged in."""
        page = await self.site.page(chrome, phone=phone, dark=dark)
        await self.log_in(page)
        return page


@asynccontextmanager
async def whole_house(
    server: TestServer, home: Path, *, quiet: bool = False, port: int = 0, public_url: str = "", **changes: object
) -> AsyncIterator[WholeHouse]:
    """All of it on servers of its own. With `public_url` it lies where that says."""
    url = server.create(TEMPLATE)
    async with dev_server() as (client, engine), Pool(url) as pool:
        settings = settings_for(url, home, temporal_address=engine, web_login=True, public_url=public_url, **changes)
        await (seed.quiet if quiet else seed.busy)(pool, datetime.now(UTC))
        await schedules.seed(client, settings, datetime.now(UTC))
        run = await _history(client)
        async with pool.connection() as conn:
            await conn.execute("UPDATE incident SET run_id = %s WHERE id = %s", (run, REPAIRED))
        async with dashboard(pool, settings, port) as site:
            yield await _lived_in(site, pool, public_url.rstrip("/") or site.url)
    server.drop(url)


async def _history(client: Client) -> str:
    async with Worker(
        client,
        task_queue="story",
        workflows=[Story],
        activities=[run_session, probe_services],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        handle = await client.start_workflow("EscalationWorkflow", id="escalation/local/blog", task_queue="story")
        await handle.result()
        return handle.result_run_id or ""


async def _lived_in(site: Dashboard, pool: Pool, base: str) -> WholeHouse:
    admin = await account(site, ADMIN, Role.ADMIN)
    await account(site, "ben", Role.OPERATOR)
    people = site.site.people
    invitation = (await people.add("cleo", Role.VIEWER, TEST)).secret
    key = await people.add_key(admin, "backup script", Scope.READ, 30, "192.168.1.0/24", TEST)
    pending, _ = await site.site.insights.approvals()
    approval, token = (pending[0], "") if pending else (None, "")
    if approval:
        token = await LinkStore(pool).issue(approval, ADMIN, LinkPurpose.ANSWER, "ch1-ntfy", datetime.now(UTC))
    return WholeHouse(site, base, approval, token, invitation, key.secret)
