"""Hostile words in every field that a model, a log, a repository or a webhook can fill: on each page they are text."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser

from adapters.database.health import HealthStore
from adapters.database.incidents import IncidentStore
from adapters.database.memories import MemoryStore, Writer
from adapters.database.notices import NoticeStore
from adapters.database.output import OutputStore
from adapters.database.sessions import SessionStore
from domain.action import ActionState
from domain.agent import Granted
from domain.health import ProbeStatus, ServiceStatus
from domain.ids import ActionId, ApprovalId, IncidentId, MemoryId, PermitId, ServiceId, SessionId
from domain.incident import Alert, IncidentState, Trigger
from domain.inventory import Inventory, Service, ServiceKind
from domain.memory import Learned, Memory, MemoryCategory, MemoryRule
from domain.notice import Delivery
from domain.people import Role
from domain.session import OutputLine, SessionStatus, TierReport
from tests.support.accounts import PASSWORD, account
from tests.support.browser import Dashboard
from tests.support.record import (
    WALLED,
    a_health,
    a_notice,
    a_permit,
    a_result,
    an_action,
    an_approval,
    an_entry,
    an_order,
    an_outcome,
)
from web.security import CSP
from web.services.logins import Visitor

pytestmark = pytest.mark.asyncio(loop_scope="module")

BAD = (
    '<script>window.hacked=1</script><img src=x onerror="window.hacked=2"><b data-hostile>\'"></b>'
    "{{ 7*7 }} \x1b[31mred\x1b[0m \u202egnirts \u2066x\nid: 9\nevent: change\ndata: incident\n\n</textarea></title>"
)
HUGE = "A" * (1 << 20) + BAD
NODE, NAME = "evil", "one"
SERVICE, INCIDENT, SESSION = ServiceId("evil/one"), IncidentId("inc_evil_1"), SessionId("ses-evil-1")
BAIT = IncidentId("inc_evil_bait")  # about the session of the other one
PAGES = (
    "/", "/incidents", f"/incidents/{INCIDENT}", f"/incidents/{BAIT}", "/runs", "/events?kind=incident&kind=action&kind=notice&kind=note&kind=probe&kind=approval",
    "/approvals", "/approvals/apr_evil_1", "/approvals/apr_evil_1/preview?instead=%3Cb+data-hostile%3E+%3Cb+data-hostile%3E", "/approvals/apr_evil_1/preview?instead=restart+evil/one&stop_wait_s=%22%3E%3Cimg%3E", "/users", "/services", f"/services/{SERVICE}", "/services?tag=x", "/cooldowns", "/audit", "/costs", "/budgets", "/runs/new",
    "/memories", "/memories/mem_evil", "/memories?state=forgotten", "/memories?q=%3Cb+data-hostile%3E&service=%22%3E%3Cb+data-hostile%3E",
    "/services?q=%3Cb+data-hostile%3E", "/runs?service=%3Cb+data-hostile%3E&node=%22%3E%3Cb+data-hostile%3E", "/audit?actor=%3Cscript%3Ewindow.hacked%3D3%3C/script%3E",
    "/events?since=%3Cb+data-hostile%3E", "/settings",
)  # fmt: skip
FILES = ("/incidents", "/runs", "/events", "/approvals", "/services", "/cooldowns", "/audit", "/memories")


async def _about_its_session(store: IncidentStore, alert: Alert) -> None:
    """An incident about bait, and the tools that the session was given."""
    about = alert.model_copy(update={"origin": INCIDENT, "results": ()})
    await store.incident_opened(BAIT, about, "bait/evil", "run-2", False, True, "bait", "")
    await store.incident_state(BAIT, IncidentState.NEEDS_PERSON, 1, BAD, alert.at)
    granted = Granted(agent=BAD, tools=("Read", "probe"), withheld={"act": BAD, "sql_read": "not here"})
    told = granted.model_dump(mode="json")
    await store.audit("evil-tools", alert.at, "session", SESSION, "session.tools", BAD, told)


async def logged_in(house: Dashboard) -> None:
    """Somebody whose browser and address are made of the words."""
    await account(house, "mallory", Role.ADMIN)
    entry = await house.site.logins.login("mallory", PASSWORD, Visitor(address=BAD, user_agent=BAD))
    assert entry.accepted


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def evil(house: Dashboard) -> AsyncIterator[Dashboard]:
    """The household, and one service that means harm."""
    now = house.site.now()
    store, health, sessions = IncidentStore(house.pool), HealthStore(house.pool), SessionStore(house.pool)
    inventory = await health.load_inventory()
    service = Service(
        id=SERVICE,
        node=NODE,
        name=NAME,
        kind=ServiceKind.EXTERNAL,
        aliases=(BAD,),
        tags=(BAD, "x"),
        repository=BAD,
        notes=BAD,
    )
    await health.save_inventory(Inventory(services=(*inventory.services, service)), now)
    failing = a_result(SERVICE, at=now, probe=BAD, status=ProbeStatus.FAIL, summary=BAD, evidence=HUGE)
    await health.save_probes(
        [failing], [a_health(SERVICE, status=ServiceStatus.DOWN, summary=BAD, last_probe_at=now)], "p"
    )
    alert = Alert(service=SERVICE, trigger=Trigger.ALERT, results=(failing,), summary=BAD, at=now)
    await store.incident_opened(INCIDENT, alert, "escalation/evil", "run-1", False, True, BAD, BAD)
    await _about_its_session(store, alert)
    order = an_order(session=SESSION, incident=INCIDENT)
    await sessions.session_started(
        order.model_copy(update={"tier": order.tier.model_copy(update={"model": BAD})}), WALLED, True, now
    )
    lines = [OutputLine(seq=1, at=now, text=BAD), OutputLine(seq=2, at=now, text=HUGE)]
    await OutputStore(house.pool).append_output(SESSION, 1, lines)
    report = TierReport(summary=BAD, escalate=True, escalate_reason=BAD)
    await sessions.session_ended(
        an_outcome(
            session=SESSION, status=SessionStatus.COMPLETED, message=BAD, report=report, started_at=now, ended_at=now
        )
    )
    action = an_action(
        id=ActionId("act_evil_1"),
        incident=INCIDENT,
        session=SESSION,
        target=SERVICE,
        reason=BAD,
        message=BAD,
        state=ActionState.REFUSED,
        requested_at=now,
    )
    await store.save_action(action)
    await store.save_approval(
        an_approval(id=ApprovalId("apr_evil_1"), incident=INCIDENT, action=action, evidence=HUGE, requested_at=now)
    )
    await store.save_permit(
        a_permit(id=PermitId("per_evil_1"), service=SERVICE, granted_at=now, holder=INCIDENT, outcome=BAD)
    )
    await store.save_ledger_note(SERVICE, "snooze", now.replace(year=now.year + 1), BAD, BAD, now)
    await store.timeline("evil/1", an_entry(BAD, incident=INCIDENT, at=now, kind="action"))
    await store.audit("evil", now, "session", BAD, "action.refused", BAD, {BAD: BAD})
    memories = MemoryStore(house.pool, MemoryRule())
    learned = Learned.model_construct(service=SERVICE, category=MemoryCategory.PLACE, text=BAD, confidence=0.9)
    await memories.learn(SESSION, INCIDENT, (learned,), (BAD,), now)
    written = Memory(
        id=MemoryId("mem_evil"),
        service=SERVICE,
        category=MemoryCategory.REMEDY,
        text=HUGE[-9000:],
        confidence=1,
        author=BAD,
        session=BAD,
        incident=INCIDENT,
        created_at=now,
        seen_at=now,
    )
    await memories.add(written, "evil-memory", Writer("user", BAD))
    gone = written.model_copy(update={"id": MemoryId("mem_evil_2"), "text": BAD})
    await memories.add(gone, "evil-memory-2", Writer("user", BAD))
    await memories.forget(gone, now, "evil-memory-3", Writer("user", BAD))
    delivery = Delivery(channel=BAD, delivered=False, message=BAD)
    await NoticeStore(house.pool).save_delivery(
        a_notice(key="evil", title=BAD, body=BAD, incident=INCIDENT), delivery, now
    )
    await logged_in(house)
    yield house


async def test_no_page_lets_a_hostile_word_become_markup(evil: Dashboard, chrome: Browser):
    page = await evil.page(chrome)
    found: list[str] = []
    for path in PAGES:
        evil.console.clear()
        answer = await page.goto(evil.url + path)
        assert answer is not None
        await page.wait_for_load_state("load")
        if await page.evaluate("window.hacked !== undefined || document.querySelector('[data-hostile], img') !== null"):
            found.append(f"{path}: became markup")
        if await page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append(f"{path}: too wide")
        if answer.status not in {200, 422}:
            found.append(f"{path}: {answer.status}")
        found += [f"{path}: {line}" for line in evil.console if "422" not in line]
    await page.context.close()
    assert found == []


async def test_an_incident_about_a_session_leads_to_where_its_log_is(evil: Dashboard):
    async with aiohttp.ClientSession(evil.url) as web, web.get(f"/incidents/{BAIT}") as answer:
        page = await answer.text()
    assert f'href="/incidents/{INCIDENT}#log"' in page
    assert "No tier could repair it" not in page
    assert "&lt;script&gt;window.hacked=1" in page


async def test_an_incident_shows_which_tools_a_session_had_and_why_not_the_others(evil: Dashboard):
    async with aiohttp.ClientSession(evil.url) as web, web.get(f"/incidents/{INCIDENT}") as answer:
        page = await answer.text()
    assert "Read, probe" in page
    assert "2 withheld" in page
    assert "<code>sql_read</code>: not here" in page


@pytest.mark.parametrize("path", FILES)
async def test_no_file_lets_a_hostile_word_out_of_its_field(evil: Dashboard, path: str):
    async with aiohttp.ClientSession(evil.url) as web:
        async with web.get(f"{path}.json") as answer:
            assert answer.content_type == "application/json"
            assert answer.headers["x-content-type-options"] == "nosniff"
            body = await answer.json()
            assert body["items"] or body["pending"]
        async with web.get(f"{path}.csv") as answer:
            assert answer.content_type == "text/csv"
            assert answer.headers["content-disposition"].startswith("attachment")
            assert answer.headers["x-content-type-options"] == "nosniff"


async def test_no_word_forges_an_event_of_the_stream(evil: Dashboard):
    async with (
        aiohttp.ClientSession(evil.url) as web,
        web.get(f"/stream?topics=incident&after={SESSION}:1:0") as stream,
    ):
        kinds: set[str] = set()
        async for raw in stream.content:
            line = raw.decode()
            if line.startswith("event:"):
                kinds.add(line.strip())
            assert "<script>" not in line
            if line.startswith("data:") and "L2" in line:
                break
    assert "event: change" not in kinds


async def test_a_refused_form_keeps_what_was_written_and_leads_back_to_this_site_alone(evil: Dashboard):
    form = {
        "text": f"the disk is slow {BAD}",
        "category": "place",
        "service": "nobody",
        "pin": "918273",
        "old": "horse",
    }
    here = {"Origin": evil.url, "Accept": "text/html", "Referer": f"{evil.url}/memories?q=%3Cb+data-hostile%3E"}
    async with aiohttp.ClientSession(evil.url) as web:
        async with web.post("/memories", data=form, headers=here) as answer:
            page = await answer.text()
        assert answer.status == 409
        written = page.partition("What you wrote")[2].partition("</textarea>")[0]
        assert "the disk is slow &lt;script&gt;" in written
        assert "918273" not in page
        assert "horse" not in page
        assert 'href="/memories?q=%3Cb+data-hostile%3E">Back to the form' in page
        for elsewhere in (
            "https://evil.example/memories",
            "javascript:alert(1)",
            f"{evil.url}//evil.example/",
            "",
            "x",
        ):
            async with web.post("/memories", data=form, headers={**here, "Referer": elsewhere}) as answer:
                page = await answer.text()
            assert "Back to the form" not in page, elsewhere
            assert "evil.example" not in page
        async with web.post("/memories", data={"text": "kept"}, headers=here) as answer:
            assert (answer.status, ">kept</textarea>" in await answer.text()) == (422, True)
        async with web.post(
            "/runs", data={"what": "look", "service": "nobody", "prompt": "p" * 3999}, headers=here
        ) as answer:
            assert (answer.status, "p" * 3999 in await answer.text()) == (422, True)


async def test_a_fault_of_ours_has_the_walls_of_every_page(evil: Dashboard, monkeypatch: pytest.MonkeyPatch):
    async def broken(*_: object) -> None:
        raise RuntimeError(BAD)

    monkeypatch.setattr(type(evil.site.budgets), "read", broken)
    async with aiohttp.ClientSession(evil.url) as web:
        for path, kind in (("/budgets", "text/html"), ("/budgets.csv", "text/plain")):
            async with web.get(path) as answer:
                assert (answer.status, answer.content_type) == (500, kind)
                assert "hostile" not in await answer.text()
            assert walled(answer)
            assert answer.headers["cache-control"] == "no-store"
    assert (await too_large(evil))[0].startswith(b"HTTP/1.1 413 ")
    assert f"content-security-policy: {CSP}".encode() in await too_large(evil)


async def too_large(house: Dashboard) -> list[bytes]:
    """The head of the answer to a form of which only the length was said."""
    host, port = house.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /memories HTTP/1.1\r\nHost: {host}:{port}\r\nOrigin: {house.url}\r\nContent-Length: 9999999\r\n"
    writer.write(f"{head}Content-Type: application/x-www-form-urlencoded\r\n\r\n".encode())
    answer = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    return answer.splitlines()


def walled(answer: aiohttp.ClientResponse) -> bool:
    headers = answer.headers
    guarded = headers.get("content-security-policy") == CSP and headers.get("x-content-type-options") == "nosniff"
    return guarded and bool(headers.get("x-request-id"))
