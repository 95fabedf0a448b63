"""Coming in: the setup code, the password, the way back, guessing, and where a session ends."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from adapters.database.pool import Pool
from adapters.database.reads import Reads
from adapters.database.records import AuditRow
from domain.people import Role, Scope
from tests.support.accounts import DESK, PASSWORD, TEST, account, surfing
from tests.support.browser import Dashboard, dashboard, settings_for
from tests.support.postgres import TEMPLATE, TestServer
from tests.web.conftest import NOBODY
from web.services.tokens import new_code, setup_link

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def gate(postgres_server: TestServer, tmp_path: Path) -> AsyncIterator[Dashboard]:
    """A dashboard with login, where nobody has an account yet."""
    url = postgres_server.create(TEMPLATE)
    settings = settings_for(url, tmp_path, temporal_address=NOBODY, web_login=True)
    async with Pool(url) as pool, dashboard(pool, settings) as opened:
        yield opened
    postgres_server.drop(url)


async def audit(site: Dashboard, *actions: str) -> list[AuditRow]:
    return [a for a in (await Reads(site.pool).audit()).rows if a.action in actions]


async def test_the_setup_code_makes_one_admin_once(gate: Dashboard):
    people = gate.site.people
    old, code = await people.setup_code(TEST), await people.setup_code(TEST)
    assert old is not None
    assert code is not None
    async with surfing(gate) as web:
        async with web.get("/login") as answer:
            assert "Nobody has an account here yet" in await answer.text()
        async with web.get("/setup", params={"code": code}) as answer:  # looking uses nothing up
            assert "You will be the first admin" in await answer.text()
        form = {"name": "Alice", "password": PASSWORD, "again": PASSWORD}
        for wrong in (
            {"code": old}, {"code": new_code(bytes)}, {"code": code, "again": "something else"},
            {"code": code, "password": "short", "again": "short"}, {"code": code, "name": "no such name!"},
        ):  # fmt: skip
            async with web.post("/setup", data={**form, **wrong}, allow_redirects=False) as answer:
                assert answer.status == 422
                assert 'role="alert"' in await answer.text()
        typed = code.lower().replace("-", " ")
        both = await asyncio.gather(*(
            people.join(typed, name, PASSWORD, DESK) for name in ("alice", "mallory")
        ))  # fmt: skip
        assert sorted(e.accepted for e in both) == [False, True]
        async with web.post("/setup", data={**form, "code": code}, allow_redirects=False) as answer:
            assert answer.status == 422
    assert await people.setup_code(TEST) is None
    assert [(p.role, p.joined) for p in await people.list()] == [("admin", True)]
    assert len(await audit(gate, "setup.done")) == 1


async def test_a_link_leads_through_the_login_to_where_it_points(gate: Dashboard):
    await account(gate, "alice", Role.ADMIN)
    deep = "/incidents?state=live&service=web"
    async with surfing(gate) as web:
        async with web.get(deep, allow_redirects=False) as answer:
            assert answer.status == 303
            login = answer.headers["location"]
        async with web.get(login) as answer:
            wanted = re.search(r'name="next" value="([^"]*)"', await answer.text())
            assert wanted is not None
        form = {"name": "ALICE", "password": PASSWORD, "next": wanted[1].replace("&amp;", "&")}
        async with web.post("/login", data={**form, "password": "wrong password"}) as answer:
            assert answer.status == 401
            assert "The name or the password is wrong." in await answer.text()
        async with web.post("/login", data=form, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["location"]) == (303, deep)
        async with web.get(deep) as answer:
            assert "alice</a>, admin" in await answer.text()
        for elsewhere in ("//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"):
            async with web.post("/login", data={**form, "next": elsewhere}, allow_redirects=False) as answer:
                assert answer.headers["location"] == "/"
        async with web.post("/logout", allow_redirects=False) as answer:
            assert answer.status == 303
        async with web.get(deep, allow_redirects=False) as answer:
            assert answer.status == 303
    words = [a.action for a in await audit(gate, "login.done", "login.failed", "login.ended")]
    assert words[0] == "login.ended"
    assert "login.failed" in words
    assert await account(gate, "bob", Role.VIEWER)  # and an invitation lets in somebody else, with a lower role


async def test_programs_without_a_session_are_told_and_not_led_to_a_form(gate: Dashboard):
    async with aiohttp.ClientSession(gate.url) as web:
        for path in ("/incidents.json", "/stream", "/approvals", "/sessions/s/1/stream"):
            async with web.get(path, headers={"Accept": "application/json"}, allow_redirects=False) as answer:
                assert answer.status == 401, path
                assert answer.headers["www-authenticate"].startswith("Bearer")
        async with web.get("/", headers={"Accept": "text/html", "HX-Request": "true"}, allow_redirects=False) as answer:
            assert answer.status == 401
        async with web.get("/healthz") as answer:
            assert answer.status != 401


async def test_a_session_that_is_ended_elsewhere_ends_its_stream_and_its_pages(gate: Dashboard):
    await account(gate, "alice", Role.ADMIN)
    async with surfing(gate, "alice") as here, surfing(gate, "alice") as there:
        async with here.get("/stream?topics=incident", timeout=aiohttp.ClientTimeout(15)) as stream:
            assert await stream.content.readuntil(b"\r\n\r\n")  # hello
            async with there.post("/account/sign-out", data={"session": "others"}, allow_redirects=False) as answer:
                assert answer.status == 303
            rest = await stream.content.read()
            assert b"event: signed-out" in rest
        async with here.get("/", allow_redirects=False) as answer:
            assert answer.status == 303
        async with there.get("/account") as answer:
            text = await answer.text()
            assert text.count("Firefox on Linux") >= 1
            assert "this browser" in text
        async with there.post("/account/sign-out", data={"session": "all"}, allow_redirects=False) as answer:
            assert answer.headers["location"] == "/login"
        async with there.get("/", allow_redirects=False) as answer:
            assert answer.status == 303
    assert {"login.ended_everywhere"} == {a.action for a in await audit(gate, "login.ended_everywhere")}


async def test_an_admin_sees_where_somebody_is_logged_in_and_ends_one_place(gate: Dashboard):
    await account(gate, "alice", Role.ADMIN)
    olga = await account(gate, "olga", Role.OPERATOR)
    async with (
        surfing(gate, "alice") as alice,
        surfing(gate, "olga") as desk,
        surfing(gate, "olga") as phone,
    ):
        (newest, *others) = (await gate.site.people.sessions())[olga]
        async with alice.get("/users") as answer:
            text = await answer.text()
            assert "Logged in at 3 places" in text  # two browsers, and where the account was made
            assert newest.id in text
        sign_out = "/users/olga/sign-out"
        async with desk.post(sign_out, data={"session": newest.id}) as answer:
            assert answer.status == 403  # an operator manages nobody
        for named, status in ((others[0].id, 303), (others[0].id, 409), ("nonsense", 409)):
            async with alice.post(sign_out, data={"session": named}, allow_redirects=False) as answer:
                assert answer.status == status
        states = []
        for web in (desk, phone):
            async with web.get("/", allow_redirects=False) as answer:
                states.append(answer.status)
        assert sorted(states) == [200, 303]  # one place ended, the other not
        async with alice.post("/users/alice/sign-out", data={"session": newest.id}) as answer:
            assert answer.status == 409  # named under the wrong person
        async with alice.post(sign_out, data={"session": "all"}, allow_redirects=False) as answer:
            assert answer.status == 303
        async with phone.get("/", allow_redirects=False) as answer:
            assert answer.status == 303
    assert [(a.actor, a.target) for a in await audit(gate, "user.signed_out")] == [("alice", "olga")] * 2


async def test_whoever_is_disabled_is_out_at_once_and_the_last_admin_stays(gate: Dashboard):
    await account(gate, "alice", Role.ADMIN)
    await account(gate, "olga", Role.OPERATOR)
    people = gate.site.people
    for said in (await people.disable("alice", TEST), await people.change_role("alice", Role.VIEWER, TEST)):
        assert (said.accepted, "last admin" in said.message) == (False, True)
    async with surfing(gate, "olga") as web:
        async with web.get("/stream?topics=incident", timeout=aiohttp.ClientTimeout(15)) as stream:
            assert await stream.content.readuntil(b"\r\n\r\n")
            assert (await people.disable("olga", TEST)).accepted
            assert b"event: signed-out" in await stream.content.read()
        async with web.get("/", allow_redirects=False) as answer:
            assert answer.status == 303
        async with web.post("/login", data={"name": "olga", "password": PASSWORD}, allow_redirects=False) as answer:
            assert answer.status == 401


async def test_whoever_is_disabled_cannot_come_in_by_a_link_that_was_made_before(gate: Dashboard):
    await account(gate, "alice", Role.ADMIN)
    await account(gate, "olga", Role.OPERATOR)
    people = gate.site.people
    code = (await people.reset("olga", TEST)).secret
    assert (await people.disable("olga", TEST)).accepted
    entered = len(await audit(gate, "login.done"))
    entry = await people.join(code, "olga", "a wholly new password", DESK)
    assert not entry.accepted
    assert len(await audit(gate, "login.done")) == entered
    refused = await people.reset("olga", TEST)
    assert (refused.accepted, refused.secret) == (False, "")
    assert "Enable" in refused.message
    assert (await people.disable("olga", TEST, on=False)).accepted
    async with surfing(gate, "olga"):
        pass  # the password is still the old one
    assert (await people.join(code, "olga", "a wholly new password", DESK)).accepted


async def test_a_new_password_says_which_keys_it_does_not_end(gate: Dashboard):
    admin = await account(gate, "alice", Role.ADMIN)
    people = gate.site.people
    assert "keys" not in (await people.reset("alice", TEST)).message
    for name in ("script", "old"):
        assert (await people.add_key(admin, name, Scope.READ, 0, "", TEST)).accepted
    (gone,) = [k.id for k in await people.keys(admin) if k.name == "old"]
    assert (await people.revoke_key(gone, TEST)).accepted
    assert "API keys that go on working: 1." in (await people.reset("alice", TEST)).message
    new = {"old": PASSWORD, "new": "a wholly new password", "again": "a wholly new password"}
    async with (
        surfing(gate, "alice") as web,
        web.post("/account/password", data=new, headers={"HX-Request": "true"}) as answer,
    ):
        assert "API keys that go on working: 1." in await answer.text()


async def test_guessing_becomes_slow_over_a_restart_and_does_not_keep_the_owner_out(gate: Dashboard, tmp_path: Path):
    await account(gate, "alice", Role.ADMIN)
    async with surfing(gate, "alice") as home:
        async with surfing(gate) as guesser:
            statuses: list[int] = []
            for n in range(8):
                data = {"name": "alice", "password": f"guess number {n}"}
                async with guesser.post("/login", data=data, allow_redirects=False) as answer:
                    statuses.append(answer.status)
            assert statuses[:4] == [401] * 4
            assert 429 in statuses[4:]
            failed = {"kind": "account", "subject": "alice", "failures": 40, "at": gate.site.now()}
            await gate.pool.write("save_attempt", failed)  # as after many more: wait a minute
            settings = settings_for(gate.pool.url, tmp_path, temporal_address=NOBODY, web_login=True)
            async with dashboard(gate.pool, settings) as again:
                data = {"name": "alice", "password": PASSWORD}
                async with guesser.post(f"{again.url}/login", data=data, headers={"Origin": again.url}) as answer:
                    assert answer.status == 429  # the right password, too: the guesser cannot tell
                    assert int(answer.headers["retry-after"]) >= 1
                    assert "Too many attempts. Wait" in await answer.text()
        async with home.post("/logout", allow_redirects=False):
            pass
        async with home.post("/login", data=data, allow_redirects=False) as answer:  # a browser that alice used before
            assert answer.status == 303


@pytest.mark.parametrize(
    ("public_url", "name", "wanted"),
    [
        ("", "tiercel_session", {"HttpOnly", "SameSite=lax", "Path=/"}),
        ("http://nas.lan:8080", "tiercel_session", {"HttpOnly", "SameSite=lax", "Path=/"}),
        ("https://ops.example", "__Host-tiercel", {"HttpOnly", "SameSite=lax", "Path=/", "Secure"}),
        ("https://home.example/ops", "tiercel_session", {"HttpOnly", "SameSite=lax", "Path=/ops", "Secure"}),
    ],
)
async def test_a_cookie_is_secure_where_people_come_by_https_only(
    gate: Dashboard, tmp_path: Path, public_url: str, name: str, wanted: set[str]
):
    settings = settings_for(gate.pool.url, tmp_path, temporal_address=NOBODY, web_login=True, public_url=public_url)
    async with dashboard(gate.pool, settings) as site:
        await account(site, "alice", Role.ADMIN)
        headers = {"Origin": public_url.removesuffix("/ops") or site.url, "Host": site.url.removeprefix("http://")}
        async with (
            aiohttp.ClientSession(site.url, headers=headers) as web,
            web.post("/login", data={"name": "alice", "password": PASSWORD}, allow_redirects=False) as answer,
        ):
            assert answer.status == 303
            cookie = next(c for c in answer.headers.getall("set-cookie") if c.startswith(f"{name}="))
    parts = {p.strip() for p in cookie.split(";")[1:]}
    assert {p for p in parts if not p.lower().startswith(("max-age", "expires"))} == wanted
    assert setup_link(settings, "X").startswith(public_url or "http://127.0.0.1")


async def test_nothing_secret_is_kept_or_shown(gate: Dashboard, capfd: pytest.CaptureFixture[str]):
    person = await account(gate, "alice", Role.ADMIN)
    code = (await gate.site.people.add("bob", Role.VIEWER, TEST)).secret
    key = (await gate.site.people.add_key(person, "backup", "read", 1, "", TEST)).secret  # type: ignore[arg-type]
    secrets = {PASSWORD, code, key, "a wrong password", "tcl_0123456789_rubbish"}
    async with surfing(gate, "alice") as web:
        secrets |= {c.value for c in web.cookie_jar}
        async with web.post("/login", data={"name": "alice", "password": "a wrong password"}):
            pass
        async with web.get("/", headers={"Authorization": "Bearer tcl_0123456789_rubbish"}):
            pass
        for path in (
            "/users", "/users.json", "/users.csv", "/keys", "/keys.json", "/keys.csv", "/account",
            "/audit", "/audit.json", "/audit.csv", "/login",
        ):  # fmt: skip
            async with web.get(path) as answer:
                assert answer.status == 200, path
                text = await answer.text()
                assert not [s for s in secrets if s in text], path
    async with gate.pool.connection() as conn:
        for table in ("person", "web_session", "known_browser", "api_key", "entry_code", "login_attempt", "audit"):
            rows = await (await conn.execute(f"SELECT t::text FROM {table} t")).fetchall()  # type: ignore[arg-type]
            assert rows, table
            assert not [s for s in secrets if s in str(rows)], table
    shown = "".join(capfd.readouterr())
    assert not [s for s in secrets if s in shown]
