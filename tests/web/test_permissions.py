"""Who may do what, on every route that there is; keys; requests that another site sends; the password again."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect
from starlette.types import Message, Receive, Scope, Send

from adapters.database.pool import Pool
from adapters.database.reads import Reads
from domain.people import KeyLimits, Permission, Role
from domain.people import Scope as KeyScope
from tests.support import seed
from tests.support.accounts import DESK, PASSWORD, TEST, account, surfing
from tests.support.axe import complaints
from tests.support.browser import Dashboard, dashboard, settings_for
from tests.support.postgres import TEMPLATE, TestServer
from tests.web.conftest import NOBODY
from web.routes import ROUTES
from web.security import Guard
from web.services.tokens import new_key, sealed

pytestmark = pytest.mark.asyncio(loop_scope="module")

# Whatever stands here is open to everybody on the network: add to it only what holds its own secret or has none.
OPEN = {
    "health_show", "static_show", "theme_choose", "preferences_save", "echo_stream",
    "login_show", "login_enter", "setup_show", "setup_use", "link_show", "link_answer",
}  # fmt: skip
OWN = {
    "logout", "keys_list", "keys_json", "keys_csv", "key_add", "key_revoke",
    "account_show", "account_password", "account_pin", "account_sign_out",
}  # fmt: skip
ADMINS = {"users_list", "users_json", "users_csv", "user_add", "user_act"}
PLACES = {
    "incident": "inc_none", "session": "s", "attempt": "1", "approval": "none", "node": "none", "name": "none",
    "kind": "snooze", "schedule": "none", "act": "none", "sha8": "x", "key": "none", "memory": "none",
}  # fmt: skip
FOREIGN: tuple[dict[str, str], ...] = (
    {}, {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.2:80"},
    {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1"},
)  # fmt: skip


@dataclass
class Household:
    """A dashboard with login, and a browser of each role."""

    site: Dashboard
    ids: dict[str, str]
    browsers: dict[str, aiohttp.ClientSession]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home(postgres_server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Household]:
    url = postgres_server.create(TEMPLATE)
    settings = settings_for(url, tmp_path_factory.mktemp("home"), temporal_address=NOBODY, web_login=True)
    async with Pool(url) as pool, dashboard(pool, settings) as site, AsyncExitStack() as stack:
        await seed.busy(pool, datetime.now(UTC))
        names = {"admin": Role.ADMIN, "operator": Role.OPERATOR, "viewer": Role.VIEWER}
        ids = {name: await account(site, name, role) for name, role in names.items()}
        browsers = {name: await stack.enter_async_context(surfing(site, name)) for name in names}
        yield Household(site, ids, browsers)
    postgres_server.drop(url)


def path_of(pattern: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda m: PLACES.get(m[1], "none"), pattern)


async def status(web: aiohttp.ClientSession, method: str, path: str, **headers: str) -> int:
    async with web.request(method, path, headers=headers, allow_redirects=False) as answer:
        return answer.status


async def test_only_what_is_listed_here_is_open_or_ones_own():
    by = {p: {name for name, permission, *_ in ROUTES if permission == p} for p in Permission}
    assert by[Permission.OPEN] == OPEN
    assert by[Permission.OWN] == OWN
    assert by[Permission.PEOPLE] == ADMINS
    assert not {name for name, permission, method, *_ in ROUTES if method != "GET" and permission == Permission.LOOK}


async def test_every_route_lets_in_who_may_and_nobody_else(home: Household):
    wrong: list[str] = []
    nobody = {"Origin": home.site.url, "Accept": "application/json"}
    async with aiohttp.ClientSession(home.site.url, headers=nobody) as anonymous:
        for name, permission, method, pattern, _ in ROUTES:
            path = path_of(pattern)
            if name in {"logout", "login_enter"}:
                continue  # test_login.py shows them; the one would end here what the others need
            got = {"nobody": await status(anonymous, method, path)}
            for role, web in home.browsers.items():
                got[role] = await status(web, method, path)
            inside = {r for r, code in got.items() if code not in {401, 403}}
            if name in OPEN:
                wanted = {"nobody", "viewer", "operator", "admin"}
            elif permission in {Permission.LOOK, Permission.OWN}:
                wanted = {"viewer", "operator", "admin"}
            elif permission == Permission.ACT:
                wanted = {"operator", "admin"}
            else:
                wanted = {"admin"}
            if inside != wanted or (name not in OPEN and got["nobody"] != 401):
                wrong.append(f"{method} {path} ({name}): {got}")
    assert not wrong
    refused = [a for a in (await Reads(home.site.pool).audit()).rows if a.action == "access.refused"]
    assert {a.actor for a in refused} == {"viewer", "operator"}


async def test_what_one_may_not_do_is_not_offered(home: Household):
    for role, offers in (("viewer", False), ("operator", True)):
        async with home.browsers[role].get("/approvals") as answer:
            text = await answer.text()
        assert ("Approve</button>" in text, "Run now" in text) == (offers, offers)
        assert ("You may only look" in text) is not offers
        assert "/users" not in text
    async with home.browsers["admin"].get("/") as answer:
        assert 'href="/users"' in await answer.text()


async def test_no_other_site_can_act_with_ones_cookies(home: Household):
    web = home.browsers["admin"]
    wrong: list[str] = []
    for name, _, method, pattern, _ in ROUTES:
        if method == "GET" or name == "link_answer":  # cookies count for nothing there (test_links.py)
            continue
        async with aiohttp.ClientSession(home.site.url, cookie_jar=web.cookie_jar) as bare:
            for headers in FOREIGN:
                code = await status(bare, method, path_of(pattern), **headers)
                wrong += [f"{name} with {headers}: {code}"] if code != 403 else []
    assert not wrong
    assert await status(web, "GET", "/account") == 200, "still logged in"


@pytest.mark.parametrize(
    ("origin", "opened"), [("http://127.0.0.1:1", True), ("http://evil.example", False), ("", False)]
)
async def test_a_web_socket_opens_for_our_own_pages_only(origin: str, opened: bool):
    reached: list[str] = []
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append(scope["path"])

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"host", b"127.0.0.1:1"), *([(b"origin", origin.encode())] if origin else [])]
    scope = {"type": "websocket", "path": "/ws", "headers": headers}
    await Guard(app, "", lambda: 0)(scope, receive, send)
    assert bool(reached) is opened
    assert [m["type"] for m in sent] == ([] if opened else ["websocket.close"])


async def key_of(home: Household, owner: str, scope: KeyScope, networks: str = "") -> str:
    said = await home.site.site.people.add_key(home.ids[owner], f"{scope} key", scope, 1, networks, TEST)
    assert said.accepted, said.message
    return said.secret


async def test_a_key_does_what_its_scope_and_its_owner_may(home: Household):
    async with aiohttp.ClientSession(home.site.url) as web:
        for owner, scope, reads, acts in (
            ("admin", KeyScope.READ, 200, 403), ("admin", KeyScope.EXECUTE, 200, 404), ("viewer", KeyScope.READ, 200, 403),
        ):  # fmt: skip
            key = {"Authorization": f"Bearer {await key_of(home, owner, scope)}"}
            assert await status(web, "GET", "/incidents.json", **key) == reads
            async with web.post("/incidents/inc_none/close", data={"reason": "x"}, headers=key) as answer:
                assert answer.status == acts, await answer.text()
            for path in ("/users", "/keys", "/account"):
                assert await status(web, "GET", path, **key) == 403
    people = home.site.site.people
    too_much = await people.add_key(home.ids["viewer"], "x", KeyScope.EXECUTE, 1, "", TEST)
    assert (too_much.accepted, "could do no more" in too_much.message) == (False, True)
    row = next(k for k in await people.keys() if k.scopes == ["execute"])
    assert (row.uses, row.last_address) == (5, "127.0.0.1")
    assert row.last_used_at is not None
    said = [a for a in (await Reads(home.site.pool).audit()).rows if a.target == row.id]
    assert sorted(a.action for a in said) == ["access.refused"] * 3 + ["key.added", "key.used_first"]


async def test_a_key_that_is_no_good_is_refused_even_beside_a_good_cookie(home: Household):
    people, store = home.site.site.people, home.site.site.people._logins
    shown, expired = new_key(lambda n: bytes(range(n)))
    then = datetime.now(UTC) - timedelta(hours=1)
    await store.add_key(shown, sealed(expired), "old", home.ids["admin"], (KeyScope.READ,), KeyLimits(), then, then)
    revoked = await key_of(home, "admin", KeyScope.READ)
    assert (await people.revoke_key(revoked[:14], TEST)).accepted
    assert not (await people.revoke_key(revoked[:14], TEST)).accepted
    good = await key_of(home, "admin", KeyScope.READ)
    elsewhere = await key_of(home, "admin", KeyScope.READ, "10.9.0.0/16")
    for key, why in (
        (expired, "expired"), (revoked, "revoked"), (elsewhere, "from this address"), (good[:-2] + "xx", "not known"),
        ("rubbish", "not known"), ("tcl_ffffffffff_x", "not known"),
    ):  # fmt: skip
        headers = {"Authorization": f"Bearer {key}"}
        async with home.browsers["admin"].get("/incidents.json", headers=headers, allow_redirects=False) as answer:
            assert answer.status == 401
            assert why in await answer.text()


async def grown_old(home: Household, person: str) -> None:
    """As if the password had been entered eleven minutes ago."""

    async def work(conn: object) -> None:
        await conn.execute(  # type: ignore[attr-defined]
            "UPDATE web_session SET password_at = password_at - interval '11 minutes' WHERE person = %s",
            (home.ids[person],),
        )

    await home.site.pool.run(work)


async def test_allowing_what_may_do_harm_asks_for_the_password_again_and_denying_never_does(home: Household):
    web = home.browsers["operator"]
    (waiting, *_), _ = await home.site.site.insights.approvals()
    assert waiting.action.risk == "medium"
    path, digest = f"/approvals/{waiting.id}/decide", {"digest": waiting.digest}
    away = 503  # no engine answers here: whoever gets as far as that was let through

    async def send(**form: str) -> tuple[int, str]:
        async with web.post(path, data={**digest, "reason": "looked at it", **form}) as answer:
            return answer.status, await answer.text()

    assert (await send(decision="approve"))[0] == away  # the login is fresh
    await grown_old(home, "operator")
    code, page = await send(decision="approve")
    assert code == 403
    assert "Your password again" in page
    assert 'name="decision" value="approve"' in page
    assert f'name="digest" value="{waiting.digest}"' in page
    assert (await send(decision="approve", password_again="wrong password"))[0] == 403
    json = {**digest, "decision": "approve"}
    async with web.post(f"{path}.json", json=json) as answer:
        assert answer.status == 403
        assert "which asks for the password" in await answer.text()
    key = {"Authorization": f"Bearer {await key_of(home, 'operator', KeyScope.EXECUTE)}"}
    async with (
        aiohttp.ClientSession(home.site.url) as program,
        program.post(f"{path}.json", json=json, headers=key) as answer,
    ):
        assert answer.status == away
    assert (await send(decision="deny"))[0] == away
    assert (await send(decision="change", instead="restart local/blog"))[0] == away  # low risk
    assert (await send(decision="approve", password_again=PASSWORD))[0] == away
    assert (await send(decision="approve"))[0] == away  # and for ten minutes it is not asked again


async def test_people_and_keys_as_files_show_ones_own_and_no_hash(home: Household):
    made = {name: await key_of(home, name, KeyScope.READ) for name in ("admin", "viewer")}
    for name, owners in (("admin", {"admin", "viewer"}), ("viewer", {"viewer"})):
        async with home.browsers[name].get("/keys.json") as answer:
            text = await answer.text()
        assert owners <= {row["owner"] for row in json.loads(text)["items"]} <= owners | {"operator"}
        async with home.browsers[name].get("/keys.csv") as answer:
            text += await answer.text()
        for key in made.values():
            assert key not in text
            assert sealed(key) not in text
    async with home.browsers["admin"].get("/users.json") as answer:
        assert {"admin", "operator", "viewer"} <= {row["name"] for row in (await answer.json())["items"]}
    async with home.browsers["admin"].get("/users.csv") as answer:
        assert answer.headers["content-disposition"] == 'attachment; filename="tiercel-users.csv"'
        assert "viewer" in await answer.text()


async def test_a_harmful_act_asks_for_the_password_again_and_keeps_what_was_typed(home: Household):
    web, form = home.browsers["admin"], {"name": "carol", "role": "operator"}
    await grown_old(home, "admin")
    assert await status(web, "GET", "/users") == 200
    async with web.post("/users", data=form) as answer:
        page = await answer.text()
        assert answer.status == 403
    assert 'name="name" value="carol"' in page
    assert 'name="role" value="operator"' in page
    async with web.post("/users", data={**form, "password_again": "wrong password"}) as answer:
        assert "The password is wrong." in await answer.text()
        assert answer.status == 403
    async with web.post("/users", data=form, headers={"HX-Request": "true"}) as answer:
        assert (answer.status, answer.headers["hx-retarget"]) == (200, "#said")
    async with web.post("/keys", data={"name": "backup"}) as answer:
        assert answer.status == 403
    async with web.post("/services/local/blog/reset", data={"reason": "new disk"}) as answer:
        assert answer.status == 403
        assert 'name="reason" value="new disk"' in await answer.text()
    assert not await home.site.site.people.named("carol")
    async with web.post("/users", data={**form, "password_again": PASSWORD}) as answer:
        assert answer.status == 200
        assert "setup?code=" in await answer.text()
    async with web.post("/users/carol/role", data={"role": "viewer"}, headers={"HX-Request": "true"}) as answer:
        said = await answer.text()
        assert "Undo: operator again" in said
    words = [a.action for a in (await Reads(home.site.pool).audit()).rows]
    assert {"password.failed", "user.added", "user.role_changed"} <= set(words)


async def test_a_password_and_a_pin_change_only_with_the_password_of_now(home: Household):
    web = home.browsers["viewer"]
    new = "another good sentence"
    async with surfing(home.site, "viewer") as phone:
        for form, code in (
            ({"old": "wrong password", "new": new, "again": new}, 422), ({"old": PASSWORD, "new": new, "again": "x"}, 422),
            ({"old": PASSWORD, "new": "viewer12345", "again": "viewer12345"}, 422),
            ({"old": PASSWORD, "new": new, "again": new}, 303),
        ):  # fmt: skip
            async with web.post("/account/password", data=form, allow_redirects=False) as answer:
                assert answer.status == code, await answer.text()
        assert await status(phone, "GET", "/") == 303, "other browsers are signed out"
    for form, code in (({"old": new, "pin": "123456"}, 422), ({"old": new, "pin": "918273"}, 303)):
        async with web.post("/account/pin", data=form, allow_redirects=False) as answer:
            assert answer.status == code
    logins, visitor = home.site.site.logins, DESK
    assert (await logins.verify_pin("viewer", "918273", visitor)).accepted
    assert not (await logins.verify_pin("viewer", "918274", visitor)).accepted
    async with web.post("/account/pin", data={"old": new, "pin": ""}, allow_redirects=False) as answer:
        assert answer.status == 303
    assert "no PIN" in (await logins.verify_pin("viewer", "918273", visitor)).message


@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
async def test_the_pages_of_people_are_accessible_and_fit(home: Household, chrome: Browser, phone: bool):
    people = home.site.site.people
    longest = f"dora-{'on-a-phone' if phone else 'at-a-desk'}-with-a-name-that-is-as-long-as-it-may-be"
    invited = (await people.add(longest, Role.VIEWER, TEST)).secret
    await people.add("eve", Role.VIEWER, TEST)
    await people.disable("eve", TEST)
    await key_of(home, "admin", KeyScope.ADMIN, "10.0.0.0/8, 2001:db8::/32")
    page = await home.site.page(chrome, phone=phone)
    found: list[str] = []

    async def look(path: str, name: str = "") -> None:
        for theme in ("light", "dark"):
            await page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            found.extend(await complaints(page, f"{name or path} {theme}"))

    for path in ("/login?next=/keys", f"/setup?code={invited}", "/setup"):
        await page.goto(home.site.url + path)
        await look(path)
    await page.goto(home.site.url + "/login?next=/keys")
    await page.get_by_label("Name").fill("admin")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Log in").click()
    await expect(page).to_have_url(home.site.url + "/keys")
    for path in ("/keys", "/users", "/account"):
        await page.goto(home.site.url + path)
        await look(path)
    await grown_old(home, "admin")
    await page.goto(home.site.url + "/keys")
    await page.get_by_text("Make a key").click()
    await page.get_by_label("What uses it").fill("a script")
    await page.get_by_role("button", name="Make it").click()
    await look("/keys", "the password again")
    await page.get_by_label("Your password again").fill(PASSWORD)
    await page.get_by_role("button", name="Go on").click()
    await expect(page.locator("#said input[readonly]")).to_have_value(re.compile("^tcl_"))
    await look("/keys", "the new key")
    await page.locator("#said input[readonly]").click()
    chosen = await page.evaluate("document.activeElement.selectionEnd - document.activeElement.selectionStart")
    assert chosen > 40, "a tap chooses the whole key"
    assert found == []
    assert not [line for line in home.site.console if "401" not in line and "422" not in line]
    await page.context.close()
