"""Acts through the real engine: approve on a phone, the second answer, Run now, ledger notes, closing; all audited."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import Page, expect

from adapters.database.pool import Pool
from adapters.database.reads import Reads
from domain.action import ActionKind
from domain.incident import IncidentState
from domain.session import SessionOutcome
from tests.support.browser import Dashboard, browser, dashboard, settings_for
from tests.support.engine_room import Desk, Room, engine_room
from tests.support.temporal import dev_server
from tests.support.world import World, a_service

NAMED = {"X-Tiercel-Client": "test", "HX-Request": "true"}


@pytest.fixture
async def room(pool: Pool, tmp_path: Path) -> AsyncIterator[tuple[Room, Dashboard]]:
    """A dashboard, workers, an engine and a service whose restart needs a person."""
    world = World([a_service("web", approval=(ActionKind.RESTART,)), a_service("other")])
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
    audit = await Reads(engine.pool).audit(target=approval)
    assert [(row.actor_kind, row.action) for row in audit.rows] == [("web", "approve")]


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
    audit = await Reads(engine.pool).audit(target=incident)
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
    audit = await Reads(engine.pool).audit(target="local/web")
    assert sorted(row.action for row in audit.rows) == ["ledger.reset", "ledger.snooze"]
    assert {row.actor for row in audit.rows} == {"owner"}
