"""The settings page: what it shows, and its test buttons against real parts, working and broken."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web as http
from playwright.async_api import Browser, expect
from pydantic import SecretStr
from temporalio.client import Client
from temporalio.worker import Worker

from activities.examine import ExaminationActivities
from adapters.database.notices import NoticeStore
from adapters.database.pool import Pool
from adapters.database.reads import Reads
from adapters.database.records import AuditFilter
from adapters.doors.client import GatewayDoors
from adapters.engine.look import EngineLook
from adapters.notify.apprise_notifier import AppriseNotifier
from config.clock import SystemClock
from config.ports import free_ports
from demo.model import Scenario, serve
from demo.model.server import Running
from domain.engine import TASK_QUEUE_CONTROL
from domain.examination import ExaminationOrder
from tests.support import seed
from tests.support.axe import complaints
from tests.support.browser import Dashboard, dashboard, settings_for
from tests.support.gateway import API_KEY
from tests.support.gateway_process import GatewayProcess
from tests.support.otlp import Collector
from tests.support.postgres import TEMPLATE, TestServer
from tests.support.receivers import HttpReceiver, http_receiver
from tests.support.temporal import dev_server
from tests.web.conftest import NOBODY
from worker.examiner import PartsExaminer
from workflows.examination import ExaminationWorkflow

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.temporal, pytest.mark.browser]

NAMED = {"X-Tiercel-Client": "test", "Accept": "application/json"}
TOPIC = "a-topic-nobody-may-see"


@dataclass
class Workshop:
    """A dashboard whose channel, gateway, engine and public address are real."""

    site: Dashboard
    client: Client
    receiver: HttpReceiver
    gateway: GatewayProcess
    model: Running
    examinations: ExaminationActivities

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[None]:
        """A worker that is known to take work."""
        async with Worker(
            self.client,
            task_queue=TASK_QUEUE_CONTROL,
            workflows=[ExaminationWorkflow],
            activities=[self.examinations.examine],
        ):
            order = ExaminationOrder(part="kitchen", key=uuid.uuid4().hex)
            found = (await EngineLook(self.client, SystemClock()).started(order)).findings
            assert [f.level for f in found] == ["warn"]
            yield

    async def test(self, part: str) -> list[tuple[str, str]]:
        """(level, cause) of every finding, as a program gets them."""
        self.site.site.examinations.newest.pop(part, None)
        async with (
            aiohttp.ClientSession(self.site.url, headers=NAMED) as web,
            web.post(f"/settings/{part}/test") as answer,
        ):
            assert answer.status == 200, await answer.text()
            return [(f["level"], f["cause"]) for f in (await answer.json())["findings"]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def workshop(postgres_server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Workshop]:
    url, home, port = postgres_server.create(TEMPLATE), tmp_path_factory.mktemp("home"), free_ports(1)[0]
    model = await serve(Scenario.model_validate({"rules": []}))
    gateway = GatewayProcess(home, model.url)
    async with dev_server() as (client, address), http_receiver() as receiver, Pool(url) as pool:
        settings = settings_for(url, home, temporal_address=address, public_url=f"http://127.0.0.1:{port}")
        await seed.quiet(pool, datetime.now(UTC))
        notifier = AppriseNotifier(SecretStr(f"json://127.0.0.1:{receiver.port}/{TOPIC}"))
        doors = GatewayDoors(home / "run" / "gateway.sock", patience_s=0.5)
        examiner = PartsExaminer(settings, notifier, NoticeStore(pool), doors, SystemClock())
        await gateway.start()
        async with dashboard(pool, settings, port) as site:
            yield Workshop(site, client, receiver, gateway, model, ExaminationActivities(examiner))
        await gateway.stop()
    await model.close()
    postgres_server.drop(url)


async def test_the_engine_says_whether_a_worker_runs_and_a_test_does_not_hang_without_one(workshop: Workshop):
    assert [level for level, _ in await workshop.test("engine")] == ["ok", "fail"]
    assert await workshop.test("channels") == [("fail", "no worker runs that could try this")]
    async with workshop.worker():
        assert [level for level, _ in await workshop.test("engine")] == ["ok", "ok"]


async def test_a_person_tests_the_channels_on_a_phone_and_reads_what_came_of_it(workshop: Workshop, chrome: Browser):
    page = await workshop.site.page(chrome, phone=True)
    workshop.site.site.examinations.newest.clear()
    async with workshop.worker():
        await page.goto(workshop.site.url + "/settings")
        await page.get_by_role("button", name="Test Messages").tap()
        found = page.locator("#t-channels")
        await expect(found).to_contain_text("ch1-json", timeout=20_000)
        await expect(found).to_contain_text("works")
        await page.get_by_role("button", name="Test Messages").tap()
        await expect(found).to_contain_text("It was tested just now")
    assert len(workshop.receiver.requests) == 1
    assert "Tiercel test message" in workshop.receiver.requests[0].body.decode()
    assert await complaints(page, "/settings") == []
    assert TOPIC not in await page.content()
    await page.context.close()
    audit = (await Reads(workshop.site.pool).audit(which=AuditFilter(target="channels"))).rows
    assert (audit[0].action, audit[0].detail["result"]) == ("settings.tested", "ok")
    assert TOPIC not in repr(audit)
    notices = (await Reads(workshop.site.pool).notices()).rows
    assert [(n.kind, n.delivered) for n in notices if n.kind == "test"] == [("test", True)]


async def test_a_channel_that_refuses_is_said_with_the_next_step_and_is_not_tried_again(workshop: Workshop):
    before = len(workshop.receiver.requests)
    workshop.receiver.statuses.append(403)
    async with workshop.worker():
        found = await workshop.test("channels")
    assert found[0][0] == "fail"
    assert "403" in found[0][1]
    assert len(workshop.receiver.requests) == before + 1


async def test_the_credential_is_tried_by_the_gateway_without_a_paid_request(workshop: Workshop):
    async with workshop.worker():
        found = await workshop.test("model")
        assert [level for level, _ in found] == ["ok", "ok", "ok"]
        assert "nothing was spent" in found[0][1]
        await workshop.gateway.kill()
        assert (await workshop.test("model"))[0][0] == "fail"
        await workshop.gateway.start()
    log = workshop.gateway.log.read_text()
    assert API_KEY.secret.get_secret_value() not in log
    assert not workshop.model.requests  # tokens were counted, no message was asked for


async def test_the_record_and_the_isolation_are_tried(workshop: Workshop):
    assert (await workshop.test("record"))[0][0] == "ok"
    async with workshop.worker():
        assert await workshop.test("isolation")


async def test_the_collector_of_traces_is_asked(workshop: Workshop, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    assert await workshop.test("traces") == [("ok", "not set, so no traces are made")]
    with Collector() as here:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", here.endpoint)
        assert await workshop.test("traces") == [("ok", "takes traces")]
    assert await workshop.test("traces") == [("fail", "does not answer")]


async def test_the_public_address_is_called_and_a_proxy_that_holds_back_is_found(workshop: Workshop):
    assert await workshop.test("address") == [("ok", "leads to this dashboard"), ("ok", "arrive at once")]
    echo = workshop.site.site.examinations.echo

    async def whole_answer(request: http.Request) -> http.Response:
        async with aiohttp.ClientSession(workshop.site.url) as web, web.get(request.path) as answer:
            return http.Response(body=await answer.read(), status=answer.status)

    async def hello(_: http.Request) -> http.Response:
        return http.Response(text="hello")

    app = http.Application()
    app.router.add_get("/echo/{name}", whole_answer)
    app.router.add_get("/elsewhere/echo/{name}", hello)
    runner = http.AppRunner(app, access_log=None)
    await runner.setup()
    site = http.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    proxy = f"http://127.0.0.1:{runner.addresses[0][1]}"
    held = await echo.examine(proxy)
    assert [f.level for f in held] == ["ok", "warn"]
    assert "docs/proxy.md" in held[1].fix
    assert [f.level for f in await echo.examine(proxy + "/elsewhere")] == ["fail"]
    await runner.cleanup()
    assert [f.level for f in await echo.examine(proxy)] == ["fail"]
    assert [f.level for f in await echo.examine("")] == ["warn"]
    async with aiohttp.ClientSession(workshop.site.url) as web, web.get("/echo/guessed") as answer:
        assert answer.status == 404


async def test_temporal_away_is_a_finding(postgres_server: TestServer, tmp_path: Path):
    url = postgres_server.create(TEMPLATE)
    async with (
        Pool(url) as pool,
        dashboard(pool, settings_for(url, tmp_path, temporal_address=NOBODY)) as site,
        aiohttp.ClientSession(site.url, headers=NAMED) as web,
    ):
        for part in ("engine", "channels"):
            async with web.post(f"/settings/{part}/test") as answer:
                body = await answer.json()
                assert (answer.status, body["level"]) == (200, "fail")
                assert "does not answer" in body["findings"][0]["cause"]
        async with web.post("/settings/engine/test") as answer:
            assert answer.status == 429
        async with web.post("/settings/kitchen/test") as answer:
            assert answer.status == 404
        async with web.get("/settings/engine/test") as answer:
            assert answer.status == 405
        async with web.get("/settings.json") as answer:
            assert (await answer.json())["tests"]["engine"]["level"] == "fail"
    postgres_server.drop(url)


async def test_the_same_settings_as_json_csv_and_variables(workshop: Workshop):
    async with aiohttp.ClientSession(workshop.site.url) as web:
        async with web.get("/settings.json?text=retention") as answer:
            assert [i["variable"] for i in (await answer.json())["items"]] == ["TIERCEL_RETENTION_DAYS"]
        async with web.get("/settings.csv?text=retention") as answer:
            assert (await answer.text()).splitlines()[1].startswith("TIERCEL_RETENTION_DAYS,Keeping,90")
        async with web.get("/settings.env") as answer:
            text = await answer.text()
            assert "attachment" in answer.headers["content-disposition"]
            assert "# DATABASE_URL: set, hidden" in text
            assert "postgresql://" not in text
        async with web.get("/settings?text=nosuchthing") as answer:
            assert "No setting matches this filter" in await answer.text()


async def test_a_scrape_says_how_many_sessions_wait_where_temporal_answers(workshop: Workshop):
    async with aiohttp.ClientSession(workshop.site.url) as web, web.get("/metrics") as answer:
        text = await answer.text()
    assert "tiercel_temporal_up 1.0" in text
    assert "tiercel_sessions_queued 0.0" in text
