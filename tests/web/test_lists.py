"""Every list of the routes: HTML, JSON and CSV by the same address, pages by key, filters that survive paging."""

import csv
import html
import io
import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from adapters.database.health import HealthStore
from adapters.database.incidents import IncidentStore
from adapters.database.memories import MemoryStore
from domain.health import ProbeStatus
from domain.ids import ActionId, ApprovalId, IncidentId, PermitId, ServiceId, SessionId
from domain.incident import ApprovalState, IncidentState, Trigger
from domain.inventory import Inventory, Service, ServiceKind
from domain.memory import Learned, MemoryCategory, MemoryRule
from tests.support.browser import Dashboard
from tests.support.record import a_permit, a_result, an_action, an_alert, an_approval, an_entry
from web.pages.events_list import KINDS
from web.routes import ROUTES

pytestmark = pytest.mark.asyncio(loop_scope="module")

MANY = 53  # more than one page has
TEMPORAL = {"schedules"}  # a handful, read from Temporal: nothing to page through
ACCOUNTS = {"users", "keys"}  # a handful: nothing to page through
FILTERS = {  # what lets every one of the made rows through, and something else not
    "incidents": "trigger=alert",
    "runs": "trigger=alert",
    "approvals": "state=expired",
    "services": "node=far",
    "cooldowns": "node=far",
    "audit": "actor=walker",
    "events": "kind=note",
    "memories": "q=walked&category=timing",
}  # fmt: skip
LISTS = tuple(name.removesuffix("_list") for name, *_ in ROUTES if name.endswith("_list"))


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def web(house: Dashboard) -> AsyncIterator[aiohttp.ClientSession]:
    """The household, and more of everything than one small page shows."""
    now = house.site.now()
    store, health = IncidentStore(house.pool), HealthStore(house.pool)
    inventory = await health.load_inventory()
    memories = MemoryStore(house.pool, MemoryRule())
    far = tuple(
        Service(id=ServiceId(f"far/s{n}"), node="far", name=f"s{n}", kind=ServiceKind.EXTERNAL) for n in range(MANY)
    )
    await health.save_inventory(Inventory(services=(*inventory.services, *far)), now)
    for n, service in enumerate(far):
        at, name = now - timedelta(minutes=n), IncidentId(f"inc_walk_{n}")
        alert = an_alert(service.id, at=at, trigger=Trigger.ALERT)
        await store.incident_opened(name, alert, f"escalation/{service.id}", "run-1", False, True, "", "")
        await store.incident_state(name, IncidentState.RESOLVED, 2, "walked", at)
        action = an_action(id=ActionId(f"act_walk_{n}"), incident=name, target=service.id, requested_at=at)
        approval = an_approval(id=ApprovalId(f"apr_walk_{n}"), incident=name, action=action, requested_at=at)
        await store.save_approval(approval.model_copy(update={"state": ApprovalState.EXPIRED, "expires_at": at}))
        await store.save_permit(a_permit(id=PermitId(f"per_walk_{n}"), service=service.id, granted_at=at, holder=name))
        await store.save_ledger_note(service.id, "snooze", None, f"why {n}", "walker", at)
        await store.audit(f"walk{n}", at, "user", "walker", "ledger.snooze", service.id, {"n": n})
        await store.timeline(f"walk/{n}", an_entry(incident=name, at=at))
        await health.save_probes([a_result(service.id, at=at, status=ProbeStatus.FAIL)], [], "p")
        learned = Learned(service=service.id, category=MemoryCategory.TIMING, text=f"walked {n}", confidence=0.9)
        await memories.learn(SessionId(f"ses_walk_{n}"), name, (learned,), (), at)
    async with aiohttp.ClientSession(house.url) as session:
        yield session


async def json_of(web: aiohttp.ClientSession, path: str) -> dict[str, Any]:
    async with web.get(path) as answer:
        assert answer.status == 200, await answer.text()
        found: dict[str, Any] = await answer.json()
        return found


def key_of(row: dict[str, Any]) -> str:
    return str(row.get("key") or row.get("id") or row["service"])


async def test_every_list_has_all_three_forms_by_the_same_address():
    table = {name: path for name, _, method, path, _ in ROUTES if method == "GET"}
    assert set(LISTS) == {*FILTERS, *TEMPORAL, *ACCOUNTS}, "a new list: give it a filter here, so that it is walked"
    for name in LISTS:
        base = table[f"{name}_list"]
        assert (table[f"{name}_json"], table[f"{name}_csv"]) == (f"{base}.json", f"{base}.csv")


@pytest.mark.parametrize("name", sorted(FILTERS))
async def test_a_list_is_walked_whole_with_its_filter_in_every_form(web: aiohttp.ClientSession, name: str):
    query = f"?{FILTERS[name]}"
    first = await json_of(web, f"/{name}.json{query}")
    assert FILTERS[name] in first["next"]
    second = await json_of(web, f"/{name}.json{first['next']}")
    rest, onward = [second], second["next"]
    while onward:
        assert FILTERS[name] in onward
        rest.append(await json_of(web, f"/{name}.json{onward}"))
        onward = rest[-1]["next"]
    assert len(first["items"]) in {24, 50}
    keys = [key_of(row) for body in (first, *rest) for row in body["items"]]
    assert len(keys) == MANY
    assert len(set(keys)) == MANY

    async with web.get(f"/{name}.csv{query}") as answer:
        assert answer.headers["content-disposition"] == f'attachment; filename="tiercel-{name}.csv"'
        rows = list(csv.DictReader(io.StringIO(await answer.text())))
    told = {row.get("id") or row["service"] for row in rows}
    assert len(told) == MANY

    async with web.get(f"/{name}{query}") as answer:
        page = await answer.text()
    (onward,) = {
        html.unescape(link) for link in re.findall(r'href="([^"]*[?&;]after=[^"]*)"', page) if ".json" not in link
    }
    assert FILTERS[name] in onward
    async with web.get(onward) as answer:
        assert answer.status == 200
        behind = html.unescape(await answer.text())
    assert FILTERS[name] in behind  # also behind the last page: the ways back and to the other forms carry it
    last = second["items"][-1]
    assert (
        str(last.get("service") or last.get("target") or last.get("id") or last["action"]["target"]).split("/")[-1]
        in behind
    )


async def test_what_no_list_knows_is_refused_in_words(web: aiohttp.ClientSession):
    for path in (
        "/services?state=broken", "/services?bars=1y", "/runs?tier=9", "/runs?status=x", "/runs?since=yesterday",
        "/approvals?state=pending", "/memories?confidence=2", "/memories.csv?category=orders", "/memories?state=x", "/audit.json?until=never", "/events.csv?since=99999999d", "/runs.json?trigger=x",
    ):  # fmt: skip
        async with web.get(path) as answer:
            text = await answer.text()
            assert answer.status == 422, path
            assert "Traceback" not in text
    for path in (
        "/services?after=x",
        "/runs?after=x",
        "/events?after=x",
        "/audit?after=1~2",
        "/approvals?after=x",
        "/memories?after=x",
    ):
        async with web.get(path) as answer:
            assert answer.status == 409, path


async def test_a_fault_of_a_json_address_is_json_and_of_a_page_a_page(web: aiohttp.ClientSession):
    for path, status in (
        ("/audit.json?until=never", 422), ("/events.json?after=x", 409), ("/incidents/inc_nowhere.json", 404),
        ("/nowhere.json", 404), ("/approvals/apr_nowhere.json", 404),
    ):  # fmt: skip
        async with web.get(path) as answer:
            assert (answer.status, answer.content_type) == (status, "application/problem+json"), path
            problem = json.loads(await answer.text())
        assert problem["status"] == status
        assert problem["title"]
        assert problem["detail"]
    async with web.get("/audit?until=never", headers={"accept": "application/json"}) as answer:
        assert answer.content_type == "text/html"


async def test_a_fault_of_a_file_is_text_with_its_status_and_no_half_file(web: aiohttp.ClientSession):
    for path, status in (
        ("/audit.csv?until=never", 422), ("/events.csv?after=x", 409), ("/audit.jsonl?after=x", 409), ("/nowhere.csv", 404),
        ("/incidents/inc_nowhere.md", 404), ("/sessions/s/0.txt", 422), ("/schedules.csv", 503), ("/costs.csv?month=x", 422),
    ):  # fmt: skip
        async with web.get(path) as answer:
            assert (answer.status, answer.content_type) == (status, "text/plain"), path
            lines = (await answer.text()).splitlines()
        assert "content-disposition" not in answer.headers, path
        assert len(lines) >= 2
        assert "<" not in "".join(lines)
    async with web.get("/costs?month=x") as page, web.get("/costs.csv?month=x") as file:
        text, html = (await file.text()).splitlines(), await page.text()
        request = file.headers["x-request-id"]
    said = [
        "Something is missing or wrong.",
        "x is no month.",
        "What to do: Write it as 2026-11.",
        f"Request {request}",
    ]
    assert text == said
    assert "x is no month." in html
    assert "Write it as 2026-11." in html


async def test_a_program_that_sends_something_is_answered_in_json_also_where_it_is_refused(web: aiohttp.ClientSession):
    said = {"x-tiercel-client": "test", "accept": "application/json"}
    async with web.post("/memories", headers=said, data={"text": "x", "category": "gossip"}) as answer:
        assert (answer.status, answer.content_type) == (422, "application/problem+json")
        assert "category" in json.loads(await answer.text())["detail"]


async def test_events_of_one_service_are_of_every_kind_and_of_no_other(web: aiohttp.ClientSession):
    kinds = "&".join(f"kind={kind}" for kind in KINDS)
    query = f"?{kinds}&service=far/s7"
    rows = (await json_of(web, f"/events.json{query}"))["items"]
    assert {row["kind"] for row in rows} == {"note", "probe", "incident"}
    assert {row["service"] for row in rows} == {"far/s7"}
    async with web.get(f"/events.csv{query}") as answer:
        assert len((await answer.text()).splitlines()) == 1 + len(rows)
    async with web.get(f"/events{query}") as answer:
        text = await answer.text()
    assert text.count('class="event"') == len(rows)
    assert 'name="service" value="far/s7"' in text
    assert (await json_of(web, f"/events.json?{kinds}&service=far/nobody"))["items"] == []


async def test_a_time_without_an_offset_is_in_the_zone_of_the_page(web: aiohttp.ClientSession, house: Dashboard):
    edge = house.site.now() - timedelta(minutes=10, seconds=30)
    here = edge.strftime("%Y-%m-%dT%H:%M:%S")
    for since in (here, f"{here}Z", f"{here}%2B00:00"):
        body = await json_of(web, f"/audit.json?actor=walker&since={since}")
        assert {row["detail"]["n"] for row in body["items"]} == set(range(11))
    body = await json_of(web, f"/audit.json?actor=walker&until={here}&since=1h")
    assert min(row["detail"]["n"] for row in body["items"]) == 11


async def test_the_audit_comes_as_lines_of_json(web: aiohttp.ClientSession):
    async with web.get("/audit.jsonl?actor=walker") as answer:
        assert answer.content_type == "application/jsonl"
        rows = [json.loads(line) for line in (await answer.text()).splitlines()]
    assert [row["detail"]["n"] for row in rows] == list(range(MANY))


async def test_the_audit_can_be_filtered_by_every_kind_of_actor_that_it_may_hold(
    web: aiohttp.ClientSession, house: Dashboard
):
    async with house.pool.connection() as conn:
        rows = await conn.execute(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'audit_actor_kind_check'"
        )
        (rule,) = await rows.fetchone() or ("",)
    known = set(re.findall(r"'(\w+)'", rule))
    assert len(known) > 5
    async with web.get("/audit") as answer:
        choice = (await answer.text()).partition('name="actor_kind"')[2].partition("</select>")[0]
    assert set(re.findall(r"<option>(\w+)</option>", choice)) == known


async def test_an_empty_choice_says_so_and_leads_back(web: aiohttp.ClientSession):
    for path in (
        "/runs?service=nobody",
        "/services?q=nobody",
        "/cooldowns?q=nobody",
        "/audit?actor=nobody",
        "/memories?service=nobody",
        "/events?kind=patrol&until=2020-01-01T00:00",
    ):
        async with web.get(path) as answer:
            text = await answer.text()
        assert 'class="empty"' in text, path
        assert f'href="{path.partition("?")[0]}"' in text


async def test_a_run_shows_what_became_of_each_tier(web: aiohttp.ClientSession):
    async with web.get("/runs?status=waiting") as answer:
        text = await answer.text()
    assert "waiting for approval" in text
    assert 'aria-label="tier 1 completed, tier 2 deferred' in text
    (chain,) = (await json_of(web, "/runs.json?status=waiting"))["items"]
    assert [s["tier"] for s in chain["sessions"]] == [1, 2]
    assert chain["cost_usd"] == pytest.approx(sum(s["cost_usd"] for s in chain["sessions"]))


async def test_cooldowns_tell_who_holds_a_slot_and_when_it_comes_back(web: aiohttp.ClientSession):
    async with web.get("/cooldowns?q=paperless") as answer:
        text = await answer.text()
    assert "2 of 2 restarts used" in text
    assert "next slot <time" in text
    assert text.count("its slot is free again") == 2
    assert "refused" in text
    assert "by the cooldown" in text
