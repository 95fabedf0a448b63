"""An incident's workflow history from a real Temporal: in words, in pages, its failures, and when Temporal is away."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from adapters.database.incidents import IncidentStore
from adapters.database.pool import Pool
from domain.ids import IncidentId
from domain.incident import Decision
from tests.support.axe import complaints
from tests.support.browser import Dashboard, dashboard, settings_for
from tests.support.postgres import TEMPLATE, TestServer
from tests.support.record import an_alert
from tests.support.temporal import dev_server
from tests.web.conftest import NOBODY

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.temporal, pytest.mark.browser]
SIGNALS = 450
SECRET = "sk-ant-api03-verysecretverysecret"


@activity.defn
async def mend_the_fence() -> None:
    if activity.info().attempt < 3:
        raise ApplicationError(f"<b>no hammer</b> {SECRET}")


@workflow.defn
class Errand:
    """Repairs something at the third attempt, and asks a person."""

    def __init__(self) -> None:
        self._decided = False

    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(
            mend_the_fence,
            start_to_close_timeout=timedelta(seconds=10),
            retry_policy=RetryPolicy(initial_interval=timedelta(seconds=0.05)),
        )
        await workflow.sleep(0.01)
        await workflow.wait_condition(lambda: self._decided)

    @workflow.update
    async def decide(self, decision: Decision) -> str:
        self._decided = True
        return decision.actor


@dataclass
class Archive:
    """A dashboard with three incidents: a short one, one with a long history, one whose history is gone."""

    site: Dashboard
    web: aiohttp.ClientSession

    async def json(self, path: str) -> dict[str, Any]:
        async with self.web.get(path) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()


async def errand(client: Client) -> tuple[str, str]:
    async with Worker(
        client,
        task_queue="errands",
        workflows=[Errand],
        activities=[mend_the_fence],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        handle = await client.start_workflow(Errand.run, id="escalation/local/fence", task_queue="errands")
        decision = Decision.model_validate(
            {"approval": "apr_1", "digest": "d", "approve": True, "actor": "ada <script>", "reason": "go"}
        )
        await handle.execute_update(Errand.decide, decision)
        await handle.result()
    return handle.id, handle.result_run_id or ""


async def long_one(client: Client) -> tuple[str, str]:
    handle = await client.start_workflow("Nobody", id="escalation/local/long", task_queue="nobody")
    for begin in range(0, SIGNALS, 50):
        await asyncio.gather(*(handle.signal("alert", {"service": f"local/s{begin + n}"}) for n in range(50)))
    return handle.id, handle.result_run_id or ""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def archive(postgres_server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Archive]:
    url = postgres_server.create(TEMPLATE)
    async with dev_server() as (client, address), Pool(url) as pool:
        gone = ("escalation/local/gone", "5f0c6a4e-0000-4000-8000-000000000001")
        runs = {"inc_short": await errand(client), "inc_long": await long_one(client), "inc_gone": gone}
        for incident, (workflow_id, run_id) in runs.items():
            alert = an_alert().model_copy(update={"at": datetime.now(UTC)})
            await IncidentStore(pool).incident_opened(
                IncidentId(incident), alert, workflow_id, run_id, False, True, "", ""
            )
        settings = settings_for(url, tmp_path_factory.mktemp("home"), temporal_address=address)
        settings = settings.model_copy(update={"temporal_ui_url": "http://127.0.0.1:8233/"})
        async with dashboard(pool, settings) as site, aiohttp.ClientSession(site.url) as web:
            yield Archive(site, web)
    postgres_server.drop(url)


async def test_what_happened_is_told_in_words_with_attempts_reasons_and_who(archive: Archive):
    body = await archive.json("/incidents/inc_short/workflow.json")
    told = [(e["text"], e["detail"]) for e in reversed(body["items"])]
    texts = [text for text, _ in told]
    assert texts[0] == "The workflow began"
    assert texts[-1] == "The workflow ended"
    for wanted in ("mend the fence was asked for", "mend the fence finished", "waits for 0.01 s", "a wait is over"):
        assert wanted in texts
    began = next(detail for text, detail in told if text == "mend the fence began again after a failure")
    assert "attempt 3" in began
    assert "no hammer" in began
    asked = next(detail for text, detail in told if text == "decide was asked of it")
    assert "actor ada <script>" in asked
    assert "reason go" in asked
    assert SECRET not in str(body)
    assert body["state"]["status"] == "completed"
    failures = await archive.json("/incidents/inc_short/workflow.json?failed=yes")
    assert [e["text"] for e in failures["items"]] == ["mend the fence began again after a failure"]


async def test_a_long_history_comes_in_pages_without_a_gap(archive: Archive):
    seen: list[int] = []
    query, pages = "", 0
    while True:
        body = await archive.json(f"/incidents/inc_long/workflow.json{query}")
        seen += [e["id"] for e in body["items"] if e["kind"] == "message"]
        pages += 1
        if not body["next"]:
            break
        query = body["next"]
    assert pages >= 2
    assert len(seen) == len(set(seen)) == SIGNALS
    assert seen == sorted(seen, reverse=True)
    failures = await archive.json("/incidents/inc_long/workflow.json?failed=yes")
    assert (failures["items"], failures["next"]) == ([], "")
    async with archive.web.get("/incidents/inc_long/workflow?failed=yes") as answer:
        assert "No failure among these events" in await answer.text()


async def test_the_page_is_accessible_links_on_and_says_when_a_history_is_gone(archive: Archive, chrome: Browser):
    for phone in (False, True):
        page = await archive.site.page(chrome, phone=phone, dark=phone)
        for name in ("inc_short", "inc_gone"):
            await page.goto(f"{archive.site.url}/incidents/{name}/workflow")
            assert await complaints(page, name) == []
        assert await page.get_by_text("Temporal no longer has this history").count() == 1
        await page.goto(f"{archive.site.url}/incidents/inc_short")
        await page.get_by_role("link", name="workflow history").click()
        await page.get_by_role("link", name="Only failures").click()
        assert await page.locator("tbody tr").count() == 1
        link = await page.get_by_role("link", name="in Temporal's own pages").get_attribute("href")
        assert link is not None
        assert link.startswith("http://127.0.0.1:8233/namespaces/default/workflows/escalation%2Flocal%2Ffence/")
        await page.context.close()


async def test_what_is_no_position_and_what_does_not_exist_are_said(archive: Archive):
    for path, status in (
        ("/incidents/inc_none/workflow", 404),
        ("/incidents/inc_short/workflow?after=~~", 409),
        ("/incidents/inc_short/workflow?after=AAAA", 409),
    ):
        async with archive.web.get(path) as answer:
            assert answer.status == status, path


async def test_without_temporal_the_page_says_so(archive: Archive, tmp_path: Path):
    settings = archive.site.site.settings.model_copy(update={"temporal_address": NOBODY, "home": tmp_path})
    async with dashboard(archive.site.pool, settings) as site, aiohttp.ClientSession(site.url) as web:
        async with web.get("/incidents/inc_short/workflow") as answer:
            assert answer.status == 503
            assert "Temporal does not answer" in await answer.text()
        async with web.get("/incidents/inc_short/workflow.json") as answer:
            assert (answer.status, answer.content_type) == (503, "application/problem+json")
            problem = json.loads(await answer.text())
        assert (problem["status"], problem["title"]) == (503, "Not available now")
        assert "Temporal does not answer" in problem["detail"]
        assert problem["fix"]
