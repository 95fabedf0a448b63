"""The schedules page over a real Temporal: what fires when, pause, skip and take back, backfill, and Temporal away."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect
from temporalio.client import Client, ScheduleActionStartWorkflow

from adapters.database.pool import Pool
from adapters.database.reads import Reads
from adapters.database.records import AuditFilter
from config.settings import Settings, load
from domain.engine import SCHEDULE_PATROL
from domain.errors import ConfigurationError
from domain.schedule import ScheduleState
from tests.support import seed
from tests.support.axe import complaints
from tests.support.browser import Dashboard, dashboard, settings_for
from tests.support.postgres import TEMPLATE, TestServer
from tests.support.temporal import dev_server
from tests.web.conftest import NOBODY
from web.services.schedules import when
from worker import schedules

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.temporal, pytest.mark.browser]

NAMED = {"X-Tiercel-Client": "test", "HX-Request": "true"}
BERLIN = ZoneInfo("Europe/Berlin")


@dataclass
class Clockwork:
    """A dashboard, a Temporal with our schedules, and no worker: nothing runs, everything is planned."""

    site: Dashboard
    client: Client
    settings: Settings
    home: Path

    async def patrol(self) -> ScheduleState:
        found = await self.site.site.schedules.one(SCHEDULE_PATROL)
        assert found is not None
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clockwork(postgres_server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Clockwork]:
    url = postgres_server.create(TEMPLATE)
    home = tmp_path_factory.mktemp("home")
    async with dev_server() as (client, address), Pool(url) as pool:
        settings = settings_for(
            url, home, temporal_address=address, cron="*/15 * * * *", timezone="Europe/Berlin", look_every_s=7200
        )
        await schedules.seed(client, settings, datetime.now(UTC))
        await seed.quiet(pool, datetime.now(UTC))
        async with dashboard(pool, settings) as site:
            yield Clockwork(site, client, settings, home)
    postgres_server.drop(url)


@pytest_asyncio.fixture(loop_scope="module")
async def web(clockwork: Clockwork) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(clockwork.site.url, headers=NAMED) as session:
        yield session


async def post(web: aiohttp.ClientSession, path: str, **data: str) -> tuple[int, str]:
    async with web.post(path, data=data) as answer:
        return answer.status, await answer.text()


async def test_the_page_says_when_why_and_what_came_of_it(clockwork: Clockwork, web: aiohttp.ClientSession):
    async with web.get("/schedules", headers={"HX-Request": "false"}) as answer:
        text = await answer.text()
        assert answer.status == 200
    for wanted in ("Every 15th minute of every hour, Europe/Berlin time", "*/15 * * * *", "Every 2 h", "no second one"):
        assert wanted in text
    fires = (await clockwork.patrol()).fires
    assert len(fires) == 5
    for at in fires:
        assert at.minute % 15 == 0
        assert f"{at.astimezone(BERLIN):%a %d %b %H:%M}" in text
    async with web.get("/schedules.json") as answer:
        items = {i["id"]: i for i in (await answer.json())["items"]}
    assert set(items) == {"patrol", "look", "upkeep"}
    assert items["patrol"]["zone"] == "Europe/Berlin"
    assert items["upkeep"]["runs"][0]["status"] == "running"  # seeded with one run, and no worker takes it
    async with web.get("/schedules.csv") as answer:
        lines = (await answer.text()).splitlines()
    assert len(lines) == 4


async def test_a_pause_needs_a_reason_shows_no_next_time_and_is_told_on_the_overview(
    clockwork: Clockwork, web: aiohttp.ClientSession, chrome: Browser
):
    assert (await post(web, "/schedules/patrol/pause", note=" "))[0] == 409
    assert not (await clockwork.patrol()).paused
    page = await clockwork.site.page(chrome, phone=True)
    await page.goto(clockwork.site.url + "/schedules")
    await page.get_by_role("button", name="Pause patrol").tap()
    dialog = page.get_by_role("dialog", name="Pause patrol")
    await dialog.get_by_label("Reason").fill("<b>moving</b> house")
    await dialog.get_by_role("button", name="Pause", exact=True).tap()
    await expect(page.locator("#said")).to_contain_text("patrol is paused")
    card = page.locator("#s-patrol")
    await expect(card).to_contain_text("<b>moving</b> house")
    await expect(card).not_to_contain_text("Next five")
    await page.goto(clockwork.site.url + "/")
    await expect(page.locator("h1")).to_have_text("Patrols are paused")
    # A worker that starts again leaves the pause alone.
    await schedules.seed(clockwork.client, clockwork.settings, datetime.now(UTC))
    assert (await clockwork.patrol()).paused
    await page.goto(clockwork.site.url + "/schedules")
    await page.get_by_role("button", name="Resume patrol").tap()
    await expect(card).to_contain_text("Next five")
    await page.goto(clockwork.site.url + "/")
    await expect(page.locator("h1")).to_have_text("All quiet")
    first = (await clockwork.patrol()).fires[0]
    assert first.isoformat()[:16] in (await page.locator(".hero time").last.get_attribute("datetime") or "")
    await page.context.close()
    done = await Reads(clockwork.site.pool).audit(which=AuditFilter(target="patrol"))
    assert [row.action for row in done.rows] == ["schedule.resumed", "schedule.paused"]


async def test_each_button_pauses_its_own_schedule_whatever_else_is_paused(web: aiohttp.ClientSession):
    async with web.get("/schedules.json") as answer:
        names = [item["id"] for item in (await answer.json())["items"]]
    assert (await post(web, f"/schedules/{names[0]}/pause", note="not now"))[0] == 200
    async with web.get("/schedules", headers={"HX-Request": "false"}) as answer:
        text = await answer.text()
    assert (await post(web, f"/schedules/{names[0]}/resume"))[0] == 200
    opens = dict(re.findall(r'data-dialog="(pause-[^"]+)"[^>]*aria-label="Pause ([^"]+)"', text))
    assert list(opens.values()) == names[1:]
    posts = dict(re.findall(r'<dialog id="(pause-[^"]+)".*?action="/schedules/([^"/]+)/pause"', text, re.DOTALL))
    assert {name: posts[dialog] for dialog, name in opens.items()} == {name: name for name in names[1:]}
    assert set(posts.values()) == set(names), "a schedule that is resumed while the page is open can be paused again"


@pytest.mark.parametrize("jitter", [0, 120])
async def test_the_next_time_is_skipped_survives_a_restart_of_the_worker_and_comes_back(
    clockwork: Clockwork, web: aiohttp.ClientSession, jitter: int
):
    settings = clockwork.settings.model_copy(update={"jitter_s": jitter})
    await schedules.seed(clockwork.client, settings, datetime.now(UTC))
    before = (await clockwork.patrol()).fires
    assert (await post(web, "/schedules/patrol/skip", at=before[1].isoformat()))[0] == 409
    assert (await post(web, "/schedules/patrol/skip", at="soon"))[0] == 422
    status, said = await post(web, "/schedules/patrol/skip", at=before[0].isoformat())
    assert status == 200, said
    after = await clockwork.patrol()
    assert before[0] not in after.fires
    assert after.fires[0] == before[1]
    assert [at.minute % 15 for at in after.left_out] == [0]
    await schedules.seed(clockwork.client, settings, datetime.now(UTC))
    again = await clockwork.patrol()
    assert (again.left_out, again.fires[0]) == (after.left_out, before[1])
    status, said = await post(web, "/schedules/patrol/restore", at=after.left_out[0].isoformat())
    assert status == 200, said
    assert (await clockwork.patrol()).fires[0] == before[0]


async def test_a_backfill_shows_first_what_would_run_and_starts_exactly_that(
    clockwork: Clockwork, web: aiohttp.ClientSession
):
    await schedules.seed(clockwork.client, clockwork.settings, datetime.now(UTC))
    end = datetime.now(BERLIN).replace(minute=0, second=0, microsecond=0)
    span = {"from": f"{end - timedelta(hours=1):%Y-%m-%dT%H:%M}", "to": f"{end:%Y-%m-%dT%H:%M}"}
    async with web.get("/schedules/patrol/backfill", params=span, headers={"HX-Request": "false"}) as answer:
        assert "5 runs would start" in re.sub(r"\s+", " ", await answer.text())
    assert not (await clockwork.patrol()).runs
    assert (await post(web, "/schedules/patrol/backfill", **span, runs="4"))[0] == 409
    assert not (await clockwork.patrol()).runs
    assert (await post(web, "/schedules/patrol/backfill", **span, runs="5"))[0] == 200
    started: tuple[object, ...] = ()
    while not started:  # the first of them; the others wait for its end
        started = (await clockwork.patrol()).runs
    described = await clockwork.client.get_schedule_handle("patrol").describe()
    assert described.info.num_actions >= 1
    for wrong in (
        {"from": span["to"], "to": span["from"]},
        {"from": span["from"], "to": f"{end + timedelta(days=1):%Y-%m-%dT%H:%M}"},
        {"from": f"{end - timedelta(days=30):%Y-%m-%dT%H:%M}", "to": span["to"]},
    ):
        async with web.get("/schedules/patrol/backfill", params=wrong, headers={"HX-Request": "false"}) as answer:
            assert "would start" not in await answer.text()
    async with web.get("/schedules/patrol/backfill?from=x&to=y") as answer:
        assert answer.status == 422
    utc = end.astimezone(UTC)  # the zone of a schedule without a cron expression
    even = {"from": f"{utc - timedelta(hours=2, minutes=1):%Y-%m-%dT%H:%M}", "to": f"{utc:%Y-%m-%dT%H:%M}"}
    async with web.get("/schedules/look/backfill", params=even, headers={"HX-Request": "false"}) as answer:
        assert "at most $0.10 each" in await answer.text()


async def test_run_now_starts_one_and_an_unknown_or_foreign_schedule_is_refused(
    clockwork: Clockwork, web: aiohttp.ClientSession
):
    assert (await post(web, "/schedules/look/run"))[0] == 200
    found = None
    while found is None or not found.runs:
        found = await clockwork.site.site.schedules.one("look")
    foreign = schedules.upkeep_schedule(clockwork.settings, datetime.now(UTC))
    assert isinstance(foreign.action, ScheduleActionStartWorkflow)
    foreign.action.task_queue = "somebody-else"
    await clockwork.client.create_schedule("theirs", foreign)
    for name in ("theirs", "nobody"):
        assert (await post(web, f"/schedules/{name}/run"))[0] == 409
        assert (await post(web, f"/schedules/{name}/pause", note="x"))[0] == 409
    async with web.get("/schedules.json") as answer:
        assert {i["id"] for i in (await answer.json())["items"]} == {"patrol", "look", "upkeep"}
    assert (await post(web, "/schedules/patrol/explode"))[0] == 422


async def test_the_pages_are_accessible_also_without_temporal(clockwork: Clockwork, chrome: Browser, house: Dashboard):
    found: list[str] = []
    for phone in (False, True):
        for dark in (False, True):
            page = await clockwork.site.page(chrome, phone=phone, dark=dark)
            for path in ("/schedules", "/schedules/patrol/backfill"):
                await page.goto(clockwork.site.url + path)
                found += await complaints(page, path)
            answer = await page.goto(house.url + "/schedules")
            assert answer is not None
            assert answer.status == 503
            await expect(page.locator("#live")).to_contain_text(f"{NOBODY} does not answer")
            await expect(page.locator("#live")).to_contain_text("tiercel doctor")
            found += await complaints(page, "/schedules without Temporal")
            await page.goto(house.url + "/")
            await expect(page.locator("#live")).to_contain_text("nobody knows when the next one starts")
            await page.context.close()
    assert found == []


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (ScheduleState(id="x", workflow="W", every_s=3600), "Every hour"),
        (ScheduleState(id="x", workflow="W", every_s=90, jitter_s=30), "Every 1 min 30 s, up to 30 s later by chance"),
        (
            ScheduleState(id="x", workflow="W", cron="0 3 * * 1", zone="Asia/Tokyo"),
            "At 03:00 on Monday, Asia/Tokyo time",
        ),
        (
            ScheduleState(id="x", workflow="W", cron="0 3 1 * 1"),
            "Where day of month 1 and weekday 1 both match, UTC time",
        ),
        (ScheduleState(id="x", workflow="W"), "As its specification in Temporal says"),
    ],
)
async def test_a_specification_is_said_in_plain_words(state: ScheduleState, words: str):
    assert when(state) == words


@pytest.mark.parametrize("cron", ["0 3 * * 1#2", "0 3 L * *", "0 0 3 * * *", "0 3 * * 5L"])
async def test_an_expression_that_temporal_reads_otherwise_is_refused_at_the_start(cron: str):
    with pytest.raises(ConfigurationError, match="TIERCEL_CRON"):
        load({"TIERCEL_CRON": cron})


async def test_months_and_weekdays_may_be_written_as_names(clockwork: Clockwork):
    assert load({"TIERCEL_CRON": "0 3 * JUL,APR SUN"}).cron
