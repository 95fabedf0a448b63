"""Memories by hand: written, corrected, pinned and forgotten, each with a way back and a line in the audit."""

import re
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from adapters.database.memories import MemoryStore
from adapters.database.reads import Reads
from domain.memory import MemoryRule
from tests.support.browser import Dashboard

pytestmark = pytest.mark.asyncio(loop_scope="module")
KEY = "sk-ant-" + "api03-nobodys-real-key"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def web(house: Dashboard) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(house.url, headers={"Origin": house.url}) as session:
        yield session


async def post(web: aiohttp.ClientSession, path: str, **form: str) -> tuple[int, str]:
    async with web.post(path, data=form) as answer:
        return answer.status, await answer.text()


async def kept(web: aiohttp.ClientSession, query: str = "") -> dict[str, dict[str, Any]]:
    async with web.get(f"/memories.json{query}") as answer:
        return {row["text"]: row for row in (await answer.json())["items"]}


async def test_what_a_person_writes_is_kept_once_under_the_services_own_name(web: aiohttp.ClientSession):
    form = {"text": "Mail queues  up\non Mondays.", "category": "timing", "service": "BLOG", "percent": "70"}
    status, page = await post(web, "/memories", **form)
    assert (status, "Sessions are told it" in page) == (200, True)
    row = (await kept(web))["Mail queues up on Mondays."]
    assert (row["service"], row["confidence"], row["author"], row["session"]) == ("local/blog", 0.7, "owner", "")
    status, page = await post(web, "/memories", **{**form, "text": "MAIL queues up, on mondays"})
    assert (status, "known already" in page) == (409, True)
    async with web.get("/services/local/blog") as answer:
        assert "Mail queues up on Mondays." in await answer.text()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"text": " \u200b"}, "Write one sentence"), ({"text": "x" * 301}, "at most 300"),
        ({"service": "nobody"}, "No repository declares"), ({"percent": "5"}, "forgotten at once"),
        ({"category": "orders"}, ""), ({"percent": "101"}, ""),
    ],
)  # fmt: skip
async def test_what_does_not_fit_is_refused_in_words(web: aiohttp.ClientSession, wrong: dict[str, str], said: str):
    before = await kept(web)
    status, page = await post(web, "/memories", **{"text": "good", "category": "place", **wrong})
    assert status in {409, 422}
    assert said in page
    assert await kept(web) == before


async def test_a_secret_is_taken_out_also_where_an_invisible_mark_cuts_it_in_two(web: aiohttp.ClientSession):
    hidden = f"The key is {KEY[:5]}\u200b{KEY[5:]}"
    status, page = await post(web, "/memories", text=hidden, category="place", service="", percent="80")
    assert (status, "taken out" in page) == (200, True)
    rows = await kept(web)
    assert "The key is [redacted]" in rows
    assert KEY not in "".join(rows)


async def test_a_secret_is_taken_out_before_it_is_kept(web: aiohttp.ClientSession, house: Dashboard):
    status, page = await post(web, "/memories", text=f"The token is {KEY}.", category="place")
    assert (status, "taken out" in page, KEY in page) == (200, True, False)
    rows = await kept(web, "?service=general")
    assert KEY not in str(rows)
    assert "The token is [redacted]." in rows
    assert KEY not in str((await Reads(house.pool).audit()).rows)


async def test_every_change_has_its_way_back_and_its_line_in_the_audit(web: aiohttp.ClientSession, house: Dashboard):
    await post(web, "/memories", text="Old words.", category="remedy")
    id_ = (await kept(web))["Old words."]["id"]
    at = f"/memories/{id_}"
    status, page = await post(web, f"{at}/change", text="New words.", category="place", percent="80", service="blog")
    assert (status, 'value="Old words."' in page) == (200, True)
    row = (await kept(web, "?service=blog"))["New words."]
    assert (row["category"], row["confidence"]) == ("place", 0.8)
    for act, query in (("pin", "?state=pinned"), ("unpin", ""), ("forget", "?state=forgotten"), ("restore", "")):
        status, page = await post(web, f"{at}/{act}")
        assert (status, "Undo" in page) == (200, True)
        assert "New words." in await kept(web, query)
        status, _ = await post(web, f"{at}/{act}")
        assert status == 409, "twice is told, not done"
    rows = (await Reads(house.pool).audit()).rows
    words = [a.action for a in rows if a.target == id_]
    assert words == [f"memory.{w}" for w in ("restored", "forgotten", "unpinned", "pinned", "changed", "added")]
    (changed,) = [a.detail for a in rows if a.target == id_ and a.action == "memory.changed"]
    assert "Old words." in str(changed["before"])


async def test_a_program_is_answered_in_json(web: aiohttp.ClientSession):
    form, asks = {"text": "A program wrote this.", "category": "place"}, {"Accept": "application/json"}
    async with web.post("/memories", data=form, headers=asks) as answer:
        said = await answer.json()
    assert said["accepted"]
    for status, path in ((409, ""), (200, f"/{said['memory']}/forget"), (409, f"/{said['memory']}/change")):
        async with web.post(f"/memories{path}", data=form, headers=asks) as answer:
            assert (answer.status, (await answer.json())["accepted"]) == (status, status == 200)


async def test_what_is_gone_says_so(web: aiohttp.ClientSession):
    async with web.get("/memories/mem_nobody") as answer:
        assert answer.status == 404
        assert "it faded" in await answer.text()
    for act in ("change", "forget", "pin"):
        status, page = await post(web, f"/memories/mem_nobody/{act}", text="x", category="place")
        assert (status, "it faded" in page) == (409, True)
    assert (await post(web, "/memories/mem_seed_0/burn"))[0] == 422
    status, page = await post(web, "/memories/mem_seed_1/change", text="x", category="place")
    assert (status, "Restore it first" in page) == (409, True)


async def test_only_so_many_may_be_pinned(web: aiohttp.ClientSession):
    ids: list[str] = []
    for n in range(21):
        await post(web, "/memories", text=f"Pin number {n}.", category="place", service="jellyfin")
        ids.append((await kept(web, "?service=jellyfin"))[f"Pin number {n}."]["id"])
    said = [await post(web, f"/memories/{id_}/pin") for id_ in ids]
    assert [status for status, _ in said] == [200] * 20 + [409]
    assert "Unpin one first" in said[-1][1]


async def test_forgetting_in_a_browser_can_be_taken_back(house: Dashboard, chrome: Browser):
    page = await house.page(chrome, phone=True)
    await page.goto(house.url + "/memories?service=local/postgres")
    await page.get_by_role("button", name=re.compile("^Forget: The nightly dump")).click()
    await expect(page.get_by_text("none brings it back")).to_be_visible()
    await expect(page.locator("#live")).to_contain_text("No memory matches")
    await page.get_by_role("button", name="Undo").click()
    await expect(page.get_by_text("It is back.")).to_be_visible()
    await page.get_by_role("link", name=re.compile("The nightly dump")).click()
    await page.get_by_label("What to remember").fill("The nightly dump runs at four.")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("#live")).to_contain_text("The nightly dump runs at four.")
    await page.context.close()


async def test_without_any_the_page_says_what_they_are(house: Dashboard, web: aiohttp.ClientSession):
    store = MemoryStore(house.pool, MemoryRule())
    async with house.pool.connection() as conn:
        await conn.execute("DELETE FROM memory")
    assert await store.services() == ()
    async with web.get("/memories") as answer:
        text = await answer.text()
    assert "Nothing is remembered yet" in text
    assert "You can write one yourself" in text
