"""Acts through the real engine: approve on a phone, the second answer, Run now, ledger notes, closing; all audited."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from playwright.async_api import Page, expect
from temporalio.client import Client as TemporalClient
from temporalio.service import RPCError, RPCStatusCode

from adapters.database.pool import Pool
from adapters.database.reads import Reads
from adapters.database.records import AuditFilter
from domain.action import ActionKind
from domain.incident import IncidentState
from domain.session import SessionOutcome
from tests.support.axe import complaints
from tests.support.browser import Dashboard, browser, dashboard, settings_for
from tests.support.engine_room import Desk, Room, engine_room
from tests.support.temporal import dev_server
from tests.support.world import World, a_service

NAMED = {"X-Tiercel-Client": "test", "HX-Request": "true"}


@pytest.fixture
async def room(pool: Pool, tmp_path: Path) -> AsyncIterator[tuple[Room, Dashboard]]:
    """A dashboard, workers, an engine and a service whose restart needs a person."""
    world = World([a_service("web", kind="container", approval=(ActionKind.RESTART,)), a_service("other")])
    async with (
        dev_server() as (client, address),
        engine_room(client, pool, world) as opened,
        dashboard(pool, settings_for(pool.url, tmp_path, temporal_address=address)) as site,
    ):
        yield opened, site


async def asks_a_person(desk: Desk, order: object) -> SessionOutcome:
    """Parks on an approval; resumed, it follows the answer."""
    request = desk.request("restart", "local/web", "toolu_approval")
    answer = await desk.consider(request)
    if answer.decision == "defer":
        return desk.parked(request)
    if answer.decision == "allow":
        await desk.act(request)
    return desk.report(answer.message, escalate=getattr(order, "resume", "") == "")


async def a_waiting_approval(room: Room, site: Dashboard) -> tuple[str, str]:
    room.world.down.add("local/web")
    room.scripts[2] = asks_a_person
    await room.escalate(room.alert("local/web"))
    for _ in range(200):
        pending, _ = await site.site.insights.approvals()
        if pending:
            return pending[0].id, pending[0].incident
        await asyncio.sleep(0.05)
    raise AssertionError("no approval was ever asked for")


async def state_of(site: Dashboard, incident: str, wanted: str) -> None:
    for _ in range(200):
        view = await site.site.insights.incident(incident)
        if view and view.row.state == wanted:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{incident} never became {wanted}")


async def test_one_thumb_approves_on_a_phone_and_the_second_answer_is_told_who_was_first(room: tuple[Room, Dashboard]):
    engine, site = room
    async with browser() as chrome:
        first = await site.page(chrome, phone=True)
        await first.goto(site.url + "/")
        approval, incident = await a_waiting_approval(engine, site)
        await expect(first.locator("h1")).to_have_text("1 decision waiting for you")  # arrived without a reload
        await expect(first).to_have_title("(1) Overview · Tiercel")
        await first.get_by_role("link", name="restart local/web").tap()
        await thumb_size(first)
        second = await site.page(chrome)
        await second.goto(f"{site.url}/approvals/{approval}")
        await second.route("**/*refresh*", lambda route: route.abort())
        stale = await second.evaluate("document.querySelector('.ask-card form').outerHTML")
        assert "Approve" in stale
        await first.get_by_role("button", name="Approve").tap()
        await expect(first.locator("#said")).to_contain_text("Approved")
        await expect(first.locator(".ask-card")).to_contain_text("Approved by owner")
        await expect(second.locator(".ask-card")).to_contain_text("Approved by owner")  # the other page sees it too
        await state_of(site, incident, IncidentState.RESOLVED)
        await expect(first).to_have_title("restart local/web · Tiercel")
    assert len(engine.world.performed) == 1
    found = await site.site.insights.approval(approval)
    assert found is not None
    async with aiohttp.ClientSession(site.url) as web:
        for decision in ("approve", "deny"):
            data = {"decision": decision, "digest": found.digest, "reason": "too late"}
            async with web.post(f"/approvals/{approval}/decide", data=data, headers=NAMED) as answer:
                assert answer.status == 409
                assert "over" in await answer.text() or "owner" in await answer.text()
    audit = await Reads(engine.pool).audit(which=AuditFilter(target=approval))
    assert {row.action for row in audit.rows} == {"approval.answered"}
    answers = [(row.actor_kind, row.detail["answer"], row.detail["accepted"]) for row in reversed(audit.rows)]
    assert answers == [("web", "approve", True), ("web", "approve", False), ("web", "deny", False)]


async def thumb_size(page: Page) -> None:
    for name in ("Approve", "Deny"):
        box = await page.get_by_role("button", name=name).bounding_box()
        assert box is not None
        assert box["height"] >= 44
        assert box["width"] >= 120


async def test_two_people_at_once_one_wins_and_the_other_reads_who(room: tuple[Room, Dashboard]):
    engine, site = room
    approval, incident = await a_waiting_approval(engine, site)
    found = await site.site.insights.approval(approval)
    assert found is not None
    async with aiohttp.ClientSession(site.url) as web:

        async def answer(name: str, decision: str) -> tuple[int, str]:
            data = {"decision": decision, "digest": found.digest, "reason": "no"}
            async with web.post(
                f"/approvals/{approval}/decide", data=data, headers={"X-Tiercel-Client": name}, allow_redirects=False
            ) as r:
                return r.status, await r.text()

        answers = await asyncio.gather(answer("alice", "deny"), answer("bob", "deny"))
        won = [text for status, text in answers if status == 303]
        lost = [text for status, text in answers if status == 409]
        assert (len(won), len(lost)) == (1, 1)
        assert "by owner" in lost[0]
    await state_of(site, incident, IncidentState.NEEDS_PERSON)
    assert not engine.world.performed


async def test_another_digest_than_the_one_shown_decides_nothing_and_a_denial_needs_a_reason(
    room: tuple[Room, Dashboard],
):
    engine, site = room
    approval, incident = await a_waiting_approval(engine, site)
    found = await site.site.insights.approval(approval)
    assert found is not None
    async with aiohttp.ClientSession(site.url, headers=NAMED) as web:
        async with web.post(
            f"/approvals/{approval}/decide", data={"decision": "approve", "digest": "0" * 64}
        ) as answer:
            assert answer.status == 409
        async with web.post(
            f"/approvals/{approval}/decide", data={"decision": "deny", "digest": found.digest}
        ) as answer:
            assert answer.status == 409
            assert "why" in await answer.text()
        assert (await site.site.insights.approval(approval)) == found
        async with web.post(f"/incidents/{incident}/close", data={"reason": "I do it myself"}) as answer:
            assert answer.status == 200
    await state_of(site, incident, IncidentState.CANCELLED)
    audit = await Reads(engine.pool).audit(which=AuditFilter(target=incident))
    assert [row.action for row in audit.rows] == ["incident.closed"]


async def test_run_now_asks_starts_and_lands_on_the_incident(room: tuple[Room, Dashboard]):
    engine, site = room
    async with browser() as chrome:
        page = await site.page(chrome)
        await page.goto(site.url + "/services")
        await page.get_by_role("button", name="Run now").click()
        await page.get_by_label("Look: let a session").check()
        await page.get_by_label("Service").select_option("local/other")
        await page.get_by_label("Prompt").fill("why is it slow?")
        await page.get_by_label("Begin at").select_option("2")
        await page.get_by_role("button", name="Start").click()
        await page.wait_for_url("**/incidents/inc_*")
        await expect(page.locator("h1")).to_have_text("local/other")
        await expect(page.locator("main")).to_contain_text("why is it slow?")
        incident = page.url.rsplit("/", 1)[1].partition("?")[0]
    assert engine.orders[0].tier.tier == 2
    assert engine.orders[0].prompt == "why is it slow?"
    view = await site.site.insights.incident(incident)
    assert view is not None
    assert view.row.requested_by == "owner"


async def test_a_patrol_without_a_schedule_says_who_would_make_it(room: tuple[Room, Dashboard]):
    _, site = room
    async with (
        aiohttp.ClientSession(site.url, headers=NAMED) as web,
        web.post("/runs", data={"what": "patrol"}) as answer,
    ):
        assert answer.status == 409
        assert "worker" in await answer.text()


async def test_notes_reach_the_ledger_and_the_page_says_until_when(room: tuple[Room, Dashboard]):
    engine, site = room
    async with browser() as chrome:
        page = await site.page(chrome, phone=True)
        await page.goto(site.url + "/services/local/web")
        await page.get_by_role("button", name="Snooze").tap()
        dialog = page.locator("#snooze-dialog")
        await dialog.get_by_label("Reason").fill("new disk on Friday")
        await dialog.get_by_role("button", name="Snooze").tap()
        await expect(page.locator("#said")).to_contain_text("Snooze of local/web is set")
        await expect(page.locator("#live")).to_contain_text("new disk on Friday")
    async with aiohttp.ClientSession(site.url, headers=NAMED) as web:
        async with web.post("/services/local/web/reset", data={"reason": "tested by hand"}) as answer:
            assert answer.status == 200
        async with web.post("/services/local/web/reset", data={"reason": " "}) as answer:
            assert answer.status == 409
        async with web.post("/services/local/web/explode", data={"reason": "x"}) as answer:
            assert answer.status == 409
        async with web.get("/cooldowns") as answer:
            assert "new disk on Friday" in await answer.text()
    audit = await Reads(engine.pool).audit(which=AuditFilter(target="local/web"))
    assert sorted(row.action for row in audit.rows) == ["ledger.reset", "ledger.snooze"]
    assert {row.actor for row in audit.rows} == {"owner"}


async def test_one_thumb_changes_the_action_on_a_phone(room: tuple[Room, Dashboard]):
    engine, site = room
    approval, incident = await a_waiting_approval(engine, site)
    async with browser() as chrome:
        page = await site.page(chrome, phone=True)
        await page.goto(f"{site.url}/approvals/{approval}")
        await page.get_by_role("button", name="Change it").tap()
        before = page.locator(".change dd")
        await expect(before).to_have_text("restart local/web")
        select = page.get_by_label("Do instead")
        offered = await select.locator("option").all_inner_texts()
        assert "start local/web" in offered
        assert "recreate local/web" not in offered  # not at this tier
        assert "restart local/other" not in offered  # no part in this incident
        button = page.get_by_role("button", name="Allow this instead")
        await button.tap()
        await expect(page.locator("#said")).to_contain_text("That is the action that was asked for")
        for target in (select, button, page.get_by_label("Time to stop by itself"), page.locator(".change summary")):
            box = await target.bounding_box()
            assert box is not None
            assert box["height"] >= 44
        await select.select_option("start local/web")
        shown = page.locator(".change [aria-live]")
        await expect(shown).to_contain_text("Low risk. It begins to run; nothing that runs is stopped.")
        await expect(shown).to_contain_text("docker start web")
        await expect(shown).to_contain_text("Who notices:")
        await page.get_by_role("button", name="Change it").tap()  # axe's look unfolds it again
        assert await complaints(page, "preview") == []
        await page.get_by_label("Time to stop by itself").fill("30")
        await page.get_by_role("button", name="Show what it would mean").tap()
        await expect(shown).to_contain_text("The rules would refuse it:")  # a start has no such param
        await page.get_by_label("Time to stop by itself").fill("")
        waiting = await site.site.insights.approval(approval)
        assert waiting is not None
        assert (waiting.state, waiting.decided_by) == ("pending", "")  # looking did nothing
        await page.get_by_label("Reason").fill('</code><script>alert(1)</script> "quoted"')
        await button.tap()
        await expect(page.locator("#said")).to_contain_text("Changed to start local/web")
        card = page.locator(".ask-card")
        await expect(card).to_contain_text("Changed by owner")
        await expect(card).to_contain_text("Asked for: restart local/web. Allowed instead: start local/web")
        await expect(card).to_contain_text("</code><script>alert(1)</script>")
        await state_of(site, incident, IncidentState.RESOLVED)
        assert not [line for line in site.console if "409" not in line]
    assert [a.exact for a in engine.world.performed] == ["start local/web"]


async def test_a_program_reads_the_question_and_answers_by_json(room: tuple[Room, Dashboard]):
    engine, site = room
    approval, incident = await a_waiting_approval(engine, site)
    async with aiohttp.ClientSession(site.url, headers={"X-Tiercel-Client": "test"}) as web:
        async with web.get("/approvals.json") as answer:
            (waiting,) = (await answer.json())["pending"]
        async with web.get(f"/approvals/{approval}.json") as answer:
            assert (await answer.json()) == waiting
        query = {"instead": "restart local/web", "stop_wait_s": "60"}  # a browser without scripts sends the form
        async with web.get(f"/approvals/{approval}/preview", params=query) as answer:
            page = await answer.text()
            assert "docker restart --time 60 web" in page
            assert re.search(r'<details class="change"[^>]* open>', page)
            assert 'value="60"' in page
        for wrong in ("delete local/web", "restart local/other", "restart <b>x</b>", ""):
            async with web.get(f"/approvals/{approval}/preview", params={"instead": wrong}) as answer:
                assert answer.status == 200
                assert "The rules would refuse it:" in await answer.text()
        assert waiting["command"] == "docker restart --time 10 web"
        assert {"kind": "start", "target": "local/web", "params": []} in waiting["choices"]
        post, digest = f"/approvals/{approval}/decide.json", waiting["digest"]
        for wrong in (
            {"decision": "change", "digest": digest},
            {"decision": "approve", "digest": digest, "change": {"kind": "start", "target": "local/web"}},
            {"decision": "maybe", "digest": digest},
            {"decision": "approve", "digest": digest, "risk": "none"},
        ):
            async with web.post(post, json=wrong) as answer:
                assert answer.status == 422
        too_long = {"kind": "restart", "target": "local/web", "params": {"stop_wait_s": 61}}
        async with web.post(post, json={"decision": "change", "digest": digest, "change": too_long}) as answer:
            assert answer.status == 409
            assert "1 to 60 seconds" in (await answer.json())["message"]
        change = {"kind": "restart", "target": "local/web", "params": {"stop_wait_s": 60}}
        async with web.post(post, json={"decision": "change", "digest": digest, "change": change}) as answer:
            assert (answer.status, (await answer.json())["accepted"]) == (200, True)
        async with web.post(
            "/approvals/apr_nothing/decide.json", json={"decision": "approve", "digest": "x"}
        ) as answer:
            assert answer.status == 404
    await state_of(site, incident, IncidentState.RESOLVED)
    assert [a.exact for a in engine.world.performed] == ["restart local/web stop_wait_s=60"]
    (row,) = [
        r for r in (await Reads(engine.pool).audit(which=AuditFilter(target=approval))).rows if r.detail["accepted"]
    ]
    assert (row.actor, row.detail["how"], row.detail["change"]) == ("owner", "JSON API", change)


async def test_an_answer_that_came_back_too_late_is_looked_up_and_not_called_an_error(
    room: tuple[Room, Dashboard], monkeypatch: pytest.MonkeyPatch
):
    engine, site = room
    approval, incident = await a_waiting_approval(engine, site)
    found = await site.site.insights.approval(approval)
    assert found is not None
    real = TemporalClient.get_workflow_handle
    taken = asyncio.Event()

    class Slow:
        """The engine takes the update, and its answer never comes back."""

        def __init__(self, workflow_id: str) -> None:
            self._handle = real(engine.client, workflow_id)

        async def execute_update(self, *args: Any, **kwargs: Any) -> object:
            await self._handle.execute_update(*args, **kwargs)
            taken.set()
            raise RPCError("lost", RPCStatusCode.UNAVAILABLE, b"")

    monkeypatch.setattr(TemporalClient, "get_workflow_handle", lambda _, workflow_id, **__: Slow(workflow_id))
    data = {"decision": "deny", "digest": found.digest, "reason": "not now"}
    async with (
        aiohttp.ClientSession(site.url, headers=NAMED) as web,
        web.post(f"/approvals/{approval}/decide", data=data) as answer,
    ):
        assert taken.is_set()
        assert (answer.status, "Denied. The session is told why." in await answer.text()) == (200, True)
    monkeypatch.undo()
    await state_of(site, incident, IncidentState.NEEDS_PERSON)
