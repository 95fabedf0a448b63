"""Approval links on the real stack: engine, record, dashboard below a path, messages to a real listener, a browser.

The listener takes what ntfy's publish endpoint takes and keeps it; the buttons are pressed as the message says.
"""

import asyncio
import io
import json
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect
from temporalio.client import Client

from adapters.database.links import LinkStore
from adapters.database.people import PeopleStore
from adapters.database.pool import Pool
from adapters.database.reads import Reads
from adapters.database.records import AuditFilter
from adapters.notify.apprise_notifier import AppriseNotifier
from adapters.passwords.argon2 import Argon2
from config import logging as logs
from config.ports import free_ports
from domain.action import ActionKind
from domain.incident import Approval
from domain.links import Addresses, LinkPurpose
from domain.people import Role
from domain.session import SessionOrder, SessionOutcome
from tests.support.axe import complaints
from tests.support.browser import Dashboard, dashboard, settings_for
from tests.support.engine_room import QUICK, Desk, Room, engine_room
from tests.support.postgres import TEMPLATE, TestServer
from tests.support.receivers import HttpReceiver, Received, http_receiver
from tests.support.temporal import dev_server
from tests.support.world import World, a_service

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.browser, pytest.mark.temporal, pytest.mark.postgres]
NAMES = ("story", "phone", "login", "race", "guess", "states", "late")
PASSWORD, PIN = "correct horse battery", "271828"
HTML = {"Accept": "text/html"}
SCANNERS = ("Mozilla/5.0 (compatible; SafeLinks)", "Barracuda Sentinel", "facebookexternalhit/1.1")
TOKEN = re.compile(r"tal_[A-Za-z0-9_-]{43}")


@dataclass
class House:
    """Everything at once, with three people: anna may answer and has a PIN, bert has none, eve only looks."""

    room: Room
    site: Dashboard
    ntfy: HttpReceiver
    client: Client
    asked: dict[str, Approval] = field(default_factory=dict[str, Approval])

    @property
    def base(self) -> str:
        """The dashboard's public address, below a path."""
        return self.site.url + "/ops"

    async def ask(self, name: str) -> tuple[Approval, Received]:
        """Let a session ask about a service; the question, and the message on anna's topic."""
        self.room.world.down.add(f"local/{name}")
        policy = QUICK.model_copy(update={"approval_timeout_s": 600})
        await self.room.escalate(self.room.alert(f"local/{name}"), policy)
        (message,) = await until(lambda: self.messages("anna", name))
        return await self.now(name), message

    async def now(self, name: str) -> Approval:
        """The approval as the record has it."""
        pending, decided = await self.site.site.insights.approvals()
        return next(a for a in (*pending, *decided) if a.action.target == f"local/{name}")

    async def messages(self, topic: str, name: str) -> list[Received]:
        """What a topic got that asks about a service."""
        wanted = f"restart of local/{name}?"
        return [r for r in self.ntfy.requests if r.json.get("topic") == topic and wanted in str(r.json.get("title"))]

    async def links(self, approval: Approval) -> list[dict[str, Any]]:
        """The rows of its links."""
        async with self.room.pool.connection() as conn:
            rows = await conn.execute("SELECT to_jsonb(l) FROM approval_link l WHERE approval = %s", (approval.id,))
            return [row[0] async for row in rows]


async def until(look: Callable[[], Awaitable[Any]]) -> Any:
    for _ in range(400):
        found = await look()
        if found:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError("it never came")


def buttons(message: Received) -> dict[str, dict[str, Any]]:
    return {b["label"]: b for b in json.loads(message.headers["X-Actions"])}


async def asks(desk: Desk, order: SessionOrder) -> SessionOutcome:
    request = desk.request("restart", order.workflow_id.removeprefix("escalation/"), "toolu_approval")
    answer = await desk.consider(request)
    if answer.decision == "defer":
        return desk.parked(request)
    if answer.decision == "allow":
        await desk.act(request)
    return desk.report(answer.message, escalate=order.resume == "")


async def add_people(pool: Pool) -> None:
    store, hashes = PeopleStore(pool), Argon2()
    for name, role in (("anna", Role.ADMIN), ("bert", Role.OPERATOR), ("eve", Role.VIEWER)):
        await store.add(f"usr_{name}", name, role, datetime.now(UTC))
        await store.set_password(f"usr_{name}", await hashes.hash(PASSWORD))
    await store.set_pin("usr_anna", await hashes.hash(PIN))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(postgres_server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    url, port = postgres_server.create(TEMPLATE), free_ports(1)[0]
    base = f"http://127.0.0.1:{port}/ops"
    world = World([a_service(name, kind="container", approval=(ActionKind.RESTART,)) for name in NAMES])
    where = Addresses(people_url=base, public_url=base, channel_people={1: "anna"})
    async with http_receiver() as ntfy, Pool(url) as pool, dev_server() as (client, address):
        await add_people(pool)
        settings = settings_for(
            url,
            tmp_path_factory.mktemp("home"),
            temporal_address=address,
            web_login=True,
            public_url=base,
            web_port=port,
        )
        notifier = AppriseNotifier(f"ntfy://127.0.0.1:{ntfy.port}/anna, ntfy://127.0.0.1:{ntfy.port}/house")
        async with (
            engine_room(client, pool, world, notifier=notifier, where=where) as room,
            dashboard(pool, settings, port) as site,
        ):
            room.scripts[2] = asks
            yield House(room, site, ntfy, client)
    postgres_server.drop(url)


async def everything_kept(house: House) -> str:
    """All rows of all tables, and all histories."""
    parts: list[str] = []
    async with house.room.pool.connection() as conn:
        tables = [r[0] async for r in await conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        for table in tables:
            rows = await conn.execute(f"SELECT t::text FROM {table} t")  # type: ignore[arg-type]
            parts += [row[0] async for row in rows]
    async for run in house.client.list_workflows(""):
        parts.append((await house.client.get_workflow_handle(run.id).fetch_history()).to_json())
    return "\n".join(parts)


@contextmanager
def our_log(house: House) -> Iterator[Callable[[], str]]:
    """What a process of ours would log at its most talkative; everything in it, and nothing after it."""
    root, stream = logging.getLogger(), io.StringIO()
    level, before = root.level, tuple(root.handlers)
    logs.configure(house.site.site.settings.model_copy(update={"log_level": "debug"}), "web", stream=stream)
    (ours,) = [handler for handler in root.handlers if handler not in before]

    def text() -> str:
        root.removeHandler(ours)
        ours.close()
        return stream.getvalue()

    try:
        yield text
    finally:
        text()
        root.setLevel(level)
        logging.captureWarnings(capture=False)


async def test_scanners_do_nothing_one_tap_denies_once_and_no_token_stays_anywhere(house: House):
    with our_log(house) as log:
        asked, tokens = await the_story(house)
        kept = "\n".join([await everything_kept(house), log()])
    assert asked.id in kept
    assert "(temporalio." in kept  # the log had something to say
    assert not [token for token in tokens if token in kept]


async def the_story(house: House) -> tuple[Approval, list[str]]:
    asked, message = await house.ask("story")
    approve, deny = buttons(message)["Approve"], buttons(message)["Deny"]
    assert (approve["action"], approve["url"]) == ("view", message.headers["X-Click"])
    assert (deny["action"], deny["method"], deny["url"]) == ("http", "POST", f"{house.base}/a")
    page = approve["url"]
    tokens = TOKEN.findall(page + deny["body"])
    assert len(set(tokens)) == 2
    assert page in str(message.json["message"])
    (of_house,) = await until(lambda: house.messages("house", "story"))  # several people read it: nobody's links
    assert list(buttons(of_house)) == ["Open"]
    assert not TOKEN.search(f"{of_house.headers} {of_house.body!r}")

    audit = Reads(house.room.pool)
    before = (asked, await house.links(asked), (await audit.audit()).rows)
    async with aiohttp.ClientSession() as web:
        for agent in SCANNERS:
            for method, address, wanted in (
                ("GET", page, 200), ("HEAD", page, 200), ("GET", deny["url"], 405), ("HEAD", deny["url"], 405),
                ("OPTIONS", page, 405), ("POST", page, 403), ("POST", deny["url"], 422),
            ):  # fmt: skip
                async with web.request(method, address, headers={"User-Agent": agent, **HTML}) as answer:
                    assert (method, answer.status) == (method, wanted)
                    assert answer.headers["Referrer-Policy"] == "no-referrer" or wanted != 200
        assert (await house.now("story"), await house.links(asked), (await audit.audit()).rows) == before

        foreign = {**deny["headers"], "Origin": "https://ntfy.example"}  # as a message app in a browser sends it
        async with web.post(deny["url"], data=deny["body"], headers=foreign) as answer:
            assert (answer.status, (await answer.json())["message"]) == (200, "Denied. The session is told why.")
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
        async with web.post(deny["url"], data=deny["body"]) as answer:  # a second tap, without any content type
            assert answer.status == 410
            assert "already denied by anna at" in (await answer.json())["message"]
        async with web.get(page, headers=HTML) as answer:  # the other link of the same message
            assert answer.status == 410
            assert "already denied by anna at" in await answer.text()
    decided = await house.now("story")
    used = next(row for row in await house.links(asked) if row["used_at"])
    assert (decided.state, decided.decided_by, used["purpose"]) == ("denied", "anna", "deny")
    assert decided.decided_how == f"link {used['id']} from ch1-ntfy, one tap"
    rows = (await audit.audit(which=AuditFilter(target=asked.id))).rows
    assert [(r.actor_kind, r.actor, r.action) for r in rows] == [
        ("link", "anna", "link.refused"), ("link", "anna", "approval.answered"),
    ]  # fmt: skip
    assert {str(r.detail.get("link", r.detail.get("how"))) for r in rows} == {used["id"], decided.decided_how}
    return asked, tokens


async def test_on_a_phone_that_is_not_logged_in_the_pin_approves(house: House, chrome: Browser):
    asked, message = await house.ask("phone")
    page = await house.site.page(chrome, phone=True)
    await page.goto(message.headers["X-Click"])
    await expect(page.locator("h1")).to_have_text("Restart local/phone?")
    await expect(page.locator(".exact")).to_have_text("docker restart --time 10 phone")
    await expect(page.locator(".ask-card")).to_contain_text("if nobody answers it is denied")
    for name in ("Approve", "Deny"):
        box = await page.get_by_role("button", name=name).bounding_box()
        assert box is not None
        assert box["height"] >= 44
    assert await complaints(page, "link") == []
    await page.get_by_label("Your PIN").fill("111222")
    await page.get_by_role("button", name="Approve").tap()
    await expect(page.get_by_role("alert")).to_have_text("The PIN is wrong.")
    assert (await house.now("phone")).state == "pending"
    await page.get_by_label("Your PIN").fill(PIN)
    await page.get_by_role("button", name="Approve").tap()
    await expect(page.locator("h1")).to_have_text("Answered")
    await expect(page.locator("main")).to_contain_text("Approved by anna")
    assert await complaints(page, "done") == []
    await page.goto(message.headers["X-Click"])
    await expect(page.locator("h1")).to_have_text("This link was used")
    assert await complaints(page, "over") == []
    decided = await house.now("phone")
    assert decided.decided_how.endswith("from ch1-ntfy, with the PIN")
    assert [line for line in house.site.console if not re.search(r"\b(403|410)\b", line)] == []
    await until(lambda: performed(house, "local/phone"))
    failed = (await Reads(house.room.pool).audit(which=AuditFilter(target=asked.id))).rows
    assert [r.action for r in failed] == ["approval.answered", "link.refused"]
    await page.context.close()


async def performed(house: House, target: str) -> bool:
    return [str(a.target) for a in house.room.world.performed].count(target) == 1


async def log_in(page: Page, name: str) -> None:
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.locator("main").get_by_role("button", name="Log in").click()


async def test_a_link_leads_through_the_login_back_to_its_approval(house: House, chrome: Browser):
    asked, message = await house.ask("login")
    link = message.headers["X-Click"]
    page = await house.site.page(chrome)
    await page.goto(link)
    await page.get_by_role("link", name="Log in").click()
    assert not TOKEN.search(page.url)
    await log_in(page, "anna")
    await page.wait_for_url(f"{house.base}/approvals/{asked.id}?link=lnk_*")
    await page.goto(link)  # now that anna is logged in, the link itself leads there too
    await page.wait_for_url(f"{house.base}/approvals/{asked.id}?link=lnk_*")

    other = await house.site.page(chrome)
    await other.goto(house.base + "/login")
    await log_in(other, "bert")
    await other.get_by_role("button", name="Log out").wait_for()
    await other.goto(link)
    await expect(other.locator("h1")).to_have_text("This link is somebody else's")
    await other.get_by_role("link", name="The approval", exact=True).click()  # as bert, without the link
    await other.wait_for_url(f"{house.base}/approvals/{asked.id}")

    await page.get_by_role("button", name="Approve").click()
    await expect(page.locator("#said")).to_contain_text("Approved")
    await expect(other.locator(".ask-card")).to_contain_text("Approved by anna")  # without a reload
    decided = await house.now("login")
    (used,) = [row for row in await house.links(asked) if row["used_at"]]
    assert (decided.decided_by, decided.decided_how) == ("anna", f"link {used['id']} from ch1-ntfy, logged in")
    for each in (page, other):
        await each.context.close()


async def test_a_link_and_a_session_at_once_one_wins_and_the_other_reads_who(house: House):
    asked, message = await house.ask("race")
    deny = buttons(message)["Deny"]
    jar = aiohttp.CookieJar(unsafe=True)  # an address that is a number
    async with aiohttp.ClientSession(headers=HTML, cookie_jar=jar) as bert, aiohttp.ClientSession() as app:
        form = {"name": "bert", "password": PASSWORD}
        async with bert.post(f"{house.base}/login", data=form, headers={"Origin": house.site.url}) as answer:
            assert answer.status == 200

        async def session() -> tuple[int, str]:
            data = {"decision": "approve", "digest": asked.digest}
            post = bert.post(f"{house.base}/approvals/{asked.id}/decide", data=data, headers={"Origin": house.site.url})
            async with post as answer:
                return answer.status, await answer.text()

        async def button() -> tuple[int, str]:
            async with app.post(deny["url"], data=deny["body"], headers=deny["headers"]) as answer:
                return answer.status, await answer.text()

        answers = await asyncio.gather(session(), button())
    assert [status == 200 for status, _ in answers].count(True) == 1
    decided = await house.now("race")
    lost = " ".join(next(text for status, text in answers if status != 200).split())
    assert f"lready {decided.state} by {decided.decided_by}" in lost
    assert {decided.state, decided.decided_by} in ({"approved", "bert"}, {"denied", "anna"})


async def test_guessing_a_pin_gets_slow_and_denying_stays_one_tap(house: House):
    asked, message = await house.ask("guess")
    hashes, people = Argon2(), PeopleStore(house.room.pool)
    await people.set_pin("usr_bert", await hashes.hash("161803"))
    token = await LinkStore(house.room.pool).issue(asked, "bert", LinkPurpose.ANSWER, "ch9-test", datetime.now(UTC))
    assert message.headers["X-Click"] != f"{house.base}/a/{token}"
    statuses: list[tuple[int, str]] = []
    async with aiohttp.ClientSession(headers=HTML) as web:
        for pin in ("000111", "000112", "000113", "161803"):
            data = {"token": token, "decision": "approve", "pin": pin}
            async with web.post(f"{house.base}/a", data=data) as answer:
                statuses.append((answer.status, answer.headers.get("Retry-After", "")))
        assert [status for status, _ in statuses] == [403, 403, 403, 429]
        assert int(statuses[3][1]) >= 1
        assert (await house.now("guess")).state == "pending"
        async with web.post(f"{house.base}/a", data={"token": token, "decision": "deny"}) as answer:
            assert answer.status == 200
    decided = await house.now("guess")
    assert (decided.state, decided.decided_by) == ("denied", "bert")
    assert decided.reason == "denied with one tap on a message, without a reason"


async def test_every_other_link_says_what_it_is_and_does_nothing(house: House):
    asked, message = await house.ask("states")
    store, now = LinkStore(house.room.pool), datetime.now(UTC)
    over = asked.model_copy(update={"expires_at": now - timedelta(seconds=1)})
    changed = asked.model_copy(update={"action": asked.action.model_copy(update={"kind": "start"}), "digest": "0" * 64})
    expired = await store.issue(over, "anna", LinkPurpose.ANSWER, "ch1-ntfy", now)
    replaced = await store.issue(changed, "anna", LinkPurpose.ANSWER, "ch1-ntfy", now)
    viewer = await store.issue(asked, "eve", LinkPurpose.ANSWER, "ch1-ntfy", now)
    gone = await store.issue(asked, "nobody", LinkPurpose.ANSWER, "ch1-ntfy", now)
    button = TOKEN.findall(buttons(message)["Deny"]["body"])[0]
    cases = [
        (expired, 410, "This link has expired"), (replaced, 410, "This link was replaced"),
        ("tal_" + "x" * 43, 404, "This link is not known"), ("nonsense", 404, "This link is not known"),
        (button, 404, "This link is not known"),
    ]  # fmt: skip
    async with aiohttp.ClientSession(headers=HTML) as web:
        for token, status, head in cases:
            async with web.get(f"{house.base}/a/{token}") as answer:
                assert (answer.status, head in await answer.text()) == (status, True)
        for token, decision, status in (
            (expired, "deny", 410), (replaced, "deny", 410), ("tal_" + "x" * 43, "deny", 404),
            (viewer, "deny", 403), (gone, "deny", 403), (viewer, "approve", 403), (button, "approve", 403),
        ):  # fmt: skip
            data = {"token": token, "decision": decision, "pin": PIN}
            async with web.post(f"{house.base}/a", data=data) as answer:
                assert (decision, answer.status) == (decision, status)
        elsewhere = {"Origin": "https://evil.example", "X-Tiercel-Client": "x"}
        decide = f"{house.base}/approvals/{asked.id}/decide"
        async with web.post(decide, data={"decision": "approve", "digest": asked.digest}, headers=elsewhere) as answer:
            assert answer.status == 403  # only links may come from anywhere
    assert await house.now("states") == asked
    assert not [row for row in await house.links(asked) if row["used_at"]]


@dataclass
class Moved:
    """The clock of the links alone, moved to where a test wants it."""

    at: datetime

    def now(self) -> datetime:
        return self.at


async def test_a_link_that_was_good_ends_at_its_instant(house: House, monkeypatch: pytest.MonkeyPatch):
    asked, message = await house.ask("late")
    page, clock = message.headers["X-Click"], Moved(asked.expires_at - timedelta(seconds=1))
    monkeypatch.setattr(house.site.site.links, "_clock", clock)
    yes = {"token": page.rpartition("/")[2], "decision": "approve", "pin": PIN}
    no = {"token": TOKEN.findall(buttons(message)["Deny"]["body"])[0], "decision": "deny"}
    async with aiohttp.ClientSession(headers=HTML) as web:
        async with web.get(page) as answer:
            assert answer.status == 200  # the last second
        clock.at = asked.expires_at
        async with web.get(page) as answer:
            assert (answer.status, "This link has expired" in await answer.text()) == (410, True)
        for form in (yes, no):
            async with web.post(f"{house.base}/a", data=form) as answer:
                assert (answer.status, "Nobody answered in time" in await answer.text()) == (410, True)
    assert await house.now("late") == asked
    assert not [row for row in await house.links(asked) if row["used_at"]]
    assert not await performed(house, "local/late")
    rows = (await Reads(house.room.pool).audit(which=AuditFilter(target=asked.id))).rows
    assert [(r.actor_kind, r.action, r.detail["why"]) for r in rows] == [
        ("link", "link.refused", "This link has expired")
    ] * 2
