"""Every page over a filled record, what is refused, and what a page says when something is away."""

import asyncio
import io
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from adapters.database.pool import Pool
from adapters.database.records import IncidentFilter
from tests.support import seed
from tests.support.browser import Dashboard, dashboard, settings_for
from tests.support.postgres import TEMPLATE, TestServer
from tests.web.conftest import NOBODY
from web.security import CSP

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGES = (
    "/", "/incidents", "/incidents?state=live", "/incidents/inc_5a77d0e9-blog-0004", "/incidents/inc_7f3a01c2-blog-0001", "/incidents/inc_90be77aa-paperless",
    "/incidents/inc_11c09e55-redis-002", "/incidents/inc_c4d2210b-postgres", "/approvals", "/approvals?state=expired", "/approvals/apr_postgres_restart", "/approvals/apr_postgres_restart/preview?instead=restart+local/blog", "/services", "/services/local/blog", "/services/nas/backup", "/services?bars=90d&state=unstable", "/services/local/blog?bars=7d", "/cooldowns", "/memories", "/memories?state=forgotten", "/memories?service=general", "/memories/mem_seed_0", "/memories/mem_seed_1", "/runs", "/runs?status=waiting", "/events", "/events?kind=probe&kind=patrol", "/audit", "/audit?target=local/postgres", "/costs", "/budgets", "/costs?by=service&month=2026-01", "/settings", "/settings?changed=yes", "/runs/new", "/about",
)  # fmt: skip


@pytest_asyncio.fixture(loop_scope="module")
async def web(house: Dashboard) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(house.url) as session:
        yield session


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_is_whole_and_carries_the_policy(web: aiohttp.ClientSession, path: str):
    async with web.get(path) as answer:
        text = await answer.text()
        assert answer.status == 200, text[-600:]
        assert answer.headers["content-security-policy"] == CSP
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-request-id"]
    assert text.rstrip().endswith("</html>")
    assert not re.search(
        r"\sstyle=|\son[a-z]+=|<style|<script>|javascript:|https?://(?!127\.0\.0\.1|www\.w3\.org|api\.anthropic\.com<)",
        text,
    )


async def test_a_part_is_the_same_page_without_its_frame(web: aiohttp.ClientSession):
    async with web.get("/incidents", headers={"HX-Request": "true", "HX-Target": "div#live"}) as answer:
        text = await answer.text()
        assert "HX-Request" in answer.headers["vary"]
    assert "<html" not in text
    assert "inc_5a77d0e9-blog-0004" in text


async def test_filters_and_pages_live_in_the_address(web: aiohttp.ClientSession, house: Dashboard):
    async with web.get("/incidents.json?state=live") as answer:
        states = {i["state"] for i in (await answer.json())["items"]}
    assert states == {"open", "waiting", "needs_person"}
    async with web.get("/incidents.json?service=GHOST") as answer:  # an alias, in capitals
        assert {i["service"] for i in (await answer.json())["items"]} == {"local/blog"}
    async with web.get("/incidents?service=nobody") as answer:
        assert "No incident matches this filter" in await answer.text()
    async with web.get("/incidents?state=broken") as answer:
        assert answer.status == 422
    async with web.get("/incidents?after=rubbish") as answer:
        assert answer.status == 409
    page = await house.site.insights.incidents(IncidentFilter(), limit=2)
    rest = await house.site.insights.incidents(IncidentFilter(), page.next)
    assert not {i.id for i in page.rows} & {i.id for i in rest.rows}


async def test_what_does_not_exist_is_said_with_the_request_id(web: aiohttp.ClientSession):
    for path in (
        "/nothing",
        "/incidents/inc_none",
        "/services/local/none",
        "/approvals/apr_none",
        "/sessions/none/1.txt",
        "/static/00000000/none.js",
    ):
        async with web.get(path) as answer:
            text = await answer.text()
            assert answer.status == 404, path
            assert answer.headers["x-request-id"] in text
    async with web.get("/sessions/x/notanumber/lines") as answer:
        assert answer.status == 422


async def test_static_files_may_be_kept_for_ever_and_their_names_change(web: aiohttp.ClientSession, house: Dashboard):
    asset = house.site.assets["app.css"]
    async with web.get(f"/static/{asset.sha8}/app.css") as answer:
        assert "immutable" in answer.headers["cache-control"]
        assert (await answer.read()) == asset.body
    async with web.get("/static/00000000/app.css") as answer:
        assert answer.headers["cache-control"] == "no-cache"
    async with web.get("/static/00000000/..%2f..%2fapp.py") as answer:
        assert answer.status == 404


async def test_a_log_downloads_whole_and_in_order(web: aiohttp.ClientSession, house: Dashboard):
    view = await house.site.insights.incident("inc_7f3a01c2-blog-0001")
    assert view is not None
    session = view.sessions[0].row
    async with web.get(f"/sessions/{session.id}/1.txt") as answer:
        text = await answer.text()
        assert answer.headers["content-type"].startswith("text/plain")
    assert [line.split("\t")[0] for line in text.splitlines() if not line.startswith(" ")] == [
        str(n) for n in range(1, session.lines + 1)
    ]
    assert "\x1b" not in text


async def test_one_log_streams_by_number_and_resumes_exactly(web: aiohttp.ClientSession, house: Dashboard):
    view = await house.site.insights.incident("inc_7f3a01c2-blog-0001")
    assert view is not None
    path = f"/sessions/{view.sessions[0].row.id}/1/stream"
    ids = await _ids(web, path, {}, 3)
    rest = await _ids(web, path, {"Last-Event-ID": str(ids[-1])}, 2)
    assert (ids, rest) == ([1, 2, 3], [4, 5])


async def _ids(web: aiohttp.ClientSession, path: str, headers: dict[str, str], count: int) -> list[int]:
    found: list[int] = []
    async with web.get(path, headers=headers) as answer:
        while len(found) < count:
            line = (await asyncio.wait_for(answer.content.readline(), 5)).decode()
            if line.startswith("id: "):
                found.append(int(line[4:]))
            if line.startswith("data: "):
                json.loads(line[6:])
    return found


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),  # a program that does not say who it is, or a browser that hides where it comes from
        ({"Origin": "null"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://evil.example", "X-Tiercel-Client": "cli"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "SELF"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": "SELF"}, 403),
        ({"Origin": "SELF"}, 303),
        ({"Sec-Fetch-Site": "same-origin"}, 303),
        ({"X-Tiercel-Client": "cli"}, 303),
    ],
)
async def test_only_our_own_pages_and_named_programs_may_act(house: Dashboard, headers: dict[str, str], status: int):
    sent = {k: house.url if v == "SELF" else v for k, v in headers.items()}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{house.url}/theme", data={"theme": "dark"}, headers=sent, allow_redirects=False) as answer,
    ):
        assert answer.status == status


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "[::2]:1"])
async def test_a_foreign_name_is_not_answered(web: aiohttp.ClientSession, host: str):
    async with web.get("/", headers={"Host": host}) as answer:
        assert answer.status == 421
        assert "TIERCEL_PUBLIC_URL" in await answer.text()


async def test_looking_never_acts(web: aiohttp.ClientSession, house: Dashboard):
    pending = (await house.site.insights.approvals())[0][0]
    for path in (
        f"/approvals/{pending.id}/decide",
        "/services/local/blog/snooze",
        f"/incidents/{pending.incident}/close",
    ):
        async with web.get(path + "?decision=approve&reason=x") as answer:
            assert answer.status == 405
    assert (await house.site.insights.approval(pending.id)) == pending


async def test_a_body_has_a_limit(web: aiohttp.ClientSession):
    body = io.BytesIO(b"prompt=" + b"x" * (2 << 20))
    headers = {"X-Tiercel-Client": "test", "Content-Type": "application/x-www-form-urlencoded"}
    async with web.post("/runs", data=body, headers=headers) as answer:
        assert answer.status == 413


async def test_wrong_fields_are_named(web: aiohttp.ClientSession):
    async with web.post(
        "/runs", data={"what": "look", "tier": "9", "prompt": "x"}, headers={"X-Tiercel-Client": "test"}
    ) as answer:
        assert answer.status == 422
        assert "tier" in await answer.text()
    async with web.post(
        "/runs", data={"what": "look", "service": "nobody", "prompt": "x"}, headers={"X-Tiercel-Client": "test"}
    ) as answer:
        assert answer.status == 422
        assert "No service answers to" in await answer.text()


async def test_the_way_back_stays_on_this_site(web: aiohttp.ClientSession):
    for back in ("https://evil.example/", "//evil.example", "/\\evil.example"):
        async with web.post(
            "/theme", data={"theme": "dark", "back": back}, headers={"X-Tiercel-Client": "t"}, allow_redirects=False
        ) as answer:
            assert answer.headers["location"] == "/"


# ---------------------------------------------------------------- what is away


async def test_without_an_engine_pages_show_the_record_and_acts_say_what_is_missing(
    web: aiohttp.ClientSession, house: Dashboard
):
    pending = (await house.site.insights.approvals())[0][0]
    async with web.get(f"/approvals/{pending.id}") as answer:
        assert answer.status == 200
        assert "Temporal does not answer" in await answer.text()
    data = {"decision": "approve", "digest": pending.digest}
    async with web.post(f"/approvals/{pending.id}/decide", data=data, headers={"X-Tiercel-Client": "test"}) as answer:
        text = await answer.text()
        assert answer.status == 503
        assert "Temporal" in text
        assert "tiercel doctor" in text
    assert (await house.site.insights.approval(pending.id)) == pending


async def test_without_a_record_every_page_says_so_and_recovers(postgres_server: TestServer, tmp_path: Path):
    url = postgres_server.create(TEMPLATE)
    async with Pool(url) as pool:
        await seed.quiet(pool, datetime.now(UTC))
        async with (
            dashboard(pool, settings_for(url, tmp_path, temporal_address=NOBODY)) as opened,
            aiohttp.ClientSession(opened.url) as web,
        ):
            async with web.get("/") as answer:
                assert "All quiet" in await answer.text()
            await pool.close()
            for path in ("/", "/services", "/incidents/x"):
                async with web.get(path) as answer:
                    text = await answer.text()
                    assert answer.status == 503
                    assert "Postgres" in text
            async with web.get("/healthz") as answer:
                assert (answer.status, (await answer.json())["record"]) == (503, False)
    postgres_server.drop(url)


async def test_behind_a_prefix_every_link_carries_it(house: Dashboard, tmp_path: Path):
    settings = house.site.settings.model_copy(update={"public_url": "https://home.example/ops/", "home": tmp_path})
    async with dashboard(house.pool, settings) as opened, aiohttp.ClientSession(opened.url) as web:
        for path in (
            "/ops/incidents/inc_5a77d0e9-blog-0004",
            "/incidents/inc_5a77d0e9-blog-0004",
        ):  # kept, or taken off by the proxy
            async with web.get(path, headers={"Host": "home.example"}) as answer:
                text = await answer.text()
                assert answer.status == 200
            links = re.findall(
                r'(?:href|src|action|hx-get|hx-post|data-events|data-worker|data-lines)="(/[^"]*)"', text
            )
            assert links
            assert all(link.startswith("/ops/") for link in links), [
                link for link in links if not link.startswith("/ops/")
            ]
        async with web.post(
            "/ops/theme",
            data={"theme": "dark"},
            headers={"Host": "home.example", "Origin": "https://home.example"},
            allow_redirects=False,
        ) as answer:
            assert answer.status == 303
            assert "Secure" in answer.headers["set-cookie"]


async def test_the_banners_are_on_every_page(house: Dashboard, tmp_path: Path):
    settings = house.site.settings.model_copy(update={"scripted": True, "dry_run": True, "home": tmp_path})
    async with dashboard(house.pool, settings) as opened, aiohttp.ClientSession(opened.url) as web:
        for path in (*PAGES, "/nothing"):
            async with web.get(path) as answer:
                text = await answer.text()
            assert "Scripted model." in text
            assert "Dry run." in text


async def test_the_settings_lead_to_each_of_their_parts_and_a_filter_to_what_it_found(house: Dashboard):
    async with aiohttp.ClientSession(house.url) as web:
        async with web.get("/settings") as answer:
            text = await answer.text()
        async with web.get("/settings?text=retention_days") as answer:
            found = await answer.text()
    parts = re.findall(
        r'<a href="#([^"]+)">([^<]+)</a>', text.partition('aria-label="Parts of this page"')[2].partition("</nav>")[0]
    )
    assert len(parts) > 8
    for id_, name in parts:
        assert re.search(rf'<h2 id="{id_}"[^>]*>{re.escape(name)}</h2>', text), name
    assert "TIERCEL_RETENTION_DAYS" in found
    assert "Does it work?" not in found, "what was looked for stands first"


async def test_looking_at_another_action_without_a_script_keeps_the_reason(web: aiohttp.ClientSession):
    async with web.get(
        "/approvals/apr_postgres_restart/preview?instead=restart+local/blog&reason=%22quiet%22+hour"
    ) as answer:
        text = await answer.text()
    assert answer.status == 200
    assert 'value="&#34;quiet&#34; hour"' in text


async def test_whoever_has_nothing_to_watch_is_told_into_which_folder_to_put_it(
    postgres_server: TestServer, tmp_path: Path
):
    url = postgres_server.create(TEMPLATE)
    settings = settings_for(url, tmp_path, temporal_address=NOBODY, repos_dir=tmp_path / "<repos>")
    async with Pool(url) as pool, dashboard(pool, settings) as opened, aiohttp.ClientSession(opened.url) as web:
        for path in ("/", "/services"):
            async with web.get(path) as answer:
                assert f"{tmp_path}/&lt;repos&gt;" in await answer.text(), path
    postgres_server.drop(url)


async def test_what_comes_too_soon_is_not_called_a_fault_of_ours(web: aiohttp.ClientSession):
    told: list[tuple[int, str]] = []
    for _ in range(2):
        headers = {"X-Tiercel-Client": "test", "Accept": "text/html"}
        async with web.post("/settings/record/test", headers=headers, allow_redirects=False) as answer:
            told.append((answer.status, await answer.text()))
    assert [status for status, _ in told] == [303, 429]
    assert "A fault of ours" not in told[1][1]
    assert "<h1>Too soon</h1>" in told[1][1]


async def test_an_address_says_which_methods_it_has(web: aiohttp.ClientSession):
    async with web.get("/logout") as answer:
        assert (answer.status, answer.headers["allow"]) == (405, "POST")
        assert "Use the buttons of the page" in await answer.text()
