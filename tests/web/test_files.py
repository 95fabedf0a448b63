"""What leaves the dashboard as a file: post-mortems, the audit, lists. Words of others stay words in each of them."""

import csv
import io
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
import pytest_asyncio

from adapters.database.incidents import IncidentStore
from domain.ids import IncidentId, ServiceId
from domain.incident import Alert, IncidentState, Timeline
from tests.support.browser import Dashboard
from tests.support.seed_blocks import Stores, session
from tests.support.seed_stories import approved
from web.csv_text import lines
from web.markdown import block, inline, table

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
EVIL = "done](javascript:alert(1)) <img src=x onerror=alert(1)> | ![x](http://evil.example/p.png) @owner\n# Heading\n- [ ] item www.evil.example \u202egnp ``` `x` \x1b[31mred"


@pytest_asyncio.fixture(loop_scope="module")
async def web(house: Dashboard) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(house.url) as opened:
        yield opened


async def text_of(web: aiohttp.ClientSession, path: str) -> str:
    async with web.get(path) as answer:
        assert answer.status == 200, path
        assert answer.headers["x-content-type-options"] == "nosniff"
        return await answer.text()


# ---------------------------------------------------------------- post-mortem


async def test_a_post_mortem_tells_the_whole_story_in_order(web: aiohttp.ClientSession):
    text = await text_of(web, "/incidents/inc_7f3a01c2-blog-0001.md")
    heads = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    assert heads == [
        "Summary", "Impact", "What opened it", "Timeline", "Tiers", "Actions", "Approvals", "Who was told", "Proof", "Tokens and cost",
    ]  # fmt: skip
    assert text.startswith("# Incident: local/blog, resolved\n")
    for fact in (
        "From the first failing probe to the proof of recovery: 2 min 17 s.",
        "connected in 0.4 ms",  # the evidence of the probe
        "### Tier 1: completed",
        "Escalated: a restart is needed",
        "### Restart local/blog: done",
        "| started at | 2026-11-19T06\\:02\\:11Z |",
        "all probes green for 60 s",
        "**delivered**: accepted after 2 tries",
        "| tier 2 | claude-sonnet-5-5 | 18,600 | 840 | 21,000 | 0 | $0.04 |",
        "Counted by the gateway: 2 model calls, 71,160 tokens, $0.05",
    ):
        assert fact in text, fact


async def test_a_post_mortem_claims_no_proof_that_the_record_does_not_hold(web: aiohttp.ClientSession):
    text = await text_of(web, "/incidents/inc_90be77aa-paperless.md")
    assert "The record holds no proof of recovery" in text
    assert "Not proven healthy for" in text
    assert "**not delivered**: connection refused" in text
    assert "| **Not isolated** | tier 1 |" in text
    quiet = await text_of(web, "/incidents/inc_11c09e55-redis-002.md")
    assert "No model was asked." in quiet
    assert "Nothing was done." in quiet


async def test_an_answer_of_a_person_is_in_the_post_mortem(web: aiohttp.ClientSession, house: Dashboard):
    asked = (await house.site.insights.approvals())[0][0]
    assert "restart local/postgres: **pending**, asked" in await text_of(web, f"/incidents/{asked.incident}.md")
    await approved(Stores.on(house.pool), asked, "ada", asked.requested_at + timedelta(minutes=1))
    text = await text_of(web, f"/incidents/{asked.incident}.md")
    await IncidentStore(house.pool).save_approval(asked)
    assert "restart local/postgres: **approved** " in text
    assert " by ada" in text


async def test_the_same_story_as_data(web: aiohttp.ClientSession):
    async with web.get("/incidents/inc_7f3a01c2-blog-0001.json") as answer:
        body = await answer.json()
    assert body["incident"]["state"] == "resolved"
    assert body["actions"][0]["before"]["identity"] == "8f2e11c0a4d7"
    assert [s["tier"] for s in body["sessions"]] == [1, 2]
    assert body["use"]["tokens"] == 71_160
    assert len(body["timeline"]) == 7
    for kind in ("md", "json"):
        async with web.get(f"/incidents/inc_none.{kind}") as answer:
            assert answer.status == 404


async def test_the_page_links_to_its_files(web: aiohttp.ClientSession):
    text = await text_of(web, "/incidents/inc_7f3a01c2-blog-0001")
    assert 'href="/incidents/inc_7f3a01c2-blog-0001.md"' in text
    assert 'href="/incidents/inc_7f3a01c2-blog-0001.json"' in text


async def test_hostile_words_stay_words_in_a_post_mortem(web: aiohttp.ClientSession, house: Dashboard):
    stores, incident = Stores.on(house.pool), IncidentId("inc_evil0000-md")
    alert = Alert(service=ServiceId("local/dns"), summary=EVIL, at=NOW)
    await stores.incidents.incident_opened(
        incident, alert, "w", "r", dry_run=False, scripted=False, requested_by=EVIL, prompt=EVIL
    )
    entry = Timeline(incident=incident, at=NOW, kind="opened", text=EVIL)
    await stores.incidents.timeline(f"{incident}/o", entry)
    await session(stores, incident, 1, NOW, 5, EVIL, escalate=True)
    await stores.incidents.incident_state(incident, IncidentState.REPORTED, 1, EVIL, NOW + timedelta(seconds=6))
    async with web.get(f"/incidents/{incident}.md") as answer:
        text = await answer.text()
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    prose = "\n".join(part for n, part in enumerate(text.split("```")) if n % 2 == 0)
    assert "# Heading" not in [line.strip() for line in prose.splitlines()]
    for bad in ("<", "javascript:alert", "http:/", "www.evil", "@owner", "\n- [", "\u202e", "\x1b"):
        assert bad not in prose, bad
    assert not re.search(r"(?<!\\)[\[\]`]", prose)  # no link, no picture, no code but our own blocks
    row = next(line for line in text.splitlines() if line.startswith("| **Opened**"))
    assert row.replace("\\|", "").count("|") == 3


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("local/blog", "local/blog"),
        ("a_b *c*", r"a\_b \*c\*"),
        ("<b>&lt;", "&lt;b&gt;&amp;lt;"),
        ("see https://x.example", r"see https\://x.example"),
        ("at 12:30 mailto:a", r"at 12\:30 mailto\:a"),
        ("note: this", "note: this"),
        ("1. first", r"1\. first"),
        ("- item", r"\- item"),
        ("a\n\n# b", r"a \# b"),
        ("x" * 2001, "x" * 2000 + " …"),
    ],
)
async def test_a_line_is_escaped(given: str, written: str):
    assert inline(given) == written


async def test_a_block_cannot_be_left():
    assert block("a\n````\nb").splitlines() == ["`````text", "a", "````", "b", "`````"]
    assert table(("a", "b"), [(inline("x|y"), "z")]).splitlines()[2] == r"| x\|y | z |"


# ---------------------------------------------------------------- CSV


@pytest.mark.parametrize(
    "cell",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\r=1", "  =1", "\n=1", "%0A=1", "|x", "\uff1dcmd", '=cmd|"/c calc"!A1'],
)
async def test_no_cell_is_a_formula(cell: str):
    read = next(csv.reader(io.StringIO(lines([[cell, "plain"]]), newline="")))
    assert read == ["'" + cell, "plain"]


async def test_numbers_times_and_nothing_are_left_as_they_are():
    written = lines([[-1.5, 7, None, True, NOW, ["a", "b"], 'say "x", y']])
    assert written == '-1.5,7,,true,2026-11-21T09:00:00+00:00,a b,"say ""x"", y"\r\n'


async def test_incidents_download_as_the_filter_says(web: aiohttp.ClientSession):
    async with web.get("/incidents.csv?state=resolved") as answer:
        assert answer.headers["content-type"].startswith("text/csv")
        assert answer.headers["content-disposition"] == 'attachment; filename="tiercel-incidents.csv"'
        rows = list(csv.DictReader(io.StringIO(await answer.text(), newline="")))
    assert [(r["id"], r["service"], r["tokens"]) for r in rows] == [("inc_7f3a01c2-blog-0001", "local/blog", "71160")]
    async with web.get("/incidents.csv?state=broken") as answer:
        assert answer.status == 422
    async with web.get("/incidents.csv?after=rubbish") as answer:
        assert answer.status == 409


# ---------------------------------------------------------------- audit


async def audit(web: aiohttp.ClientSession, query: str) -> list[dict[str, str]]:
    async with web.get(f"/audit.json{query}") as answer:
        assert answer.status == 200
        found: list[dict[str, str]] = (await answer.json())["items"]
        return found


async def test_the_audit_is_filtered_by_its_address(web: aiohttp.ClientSession):
    everything = [row["at"] for row in await audit(web, "")]
    assert everything == sorted(everything, reverse=True)
    assert {row["target"] for row in await audit(web, "?target=GHOST")} == {"local/blog"}  # an alias of the blog
    assert {row["action"] for row in await audit(web, "?actor=ada&target=patrol")} == {"patrol.started"}
    assert {row["actor"] for row in await audit(web, "?actor=ada")} == {"ada"}
    assert await audit(web, "?actor=ada&target=local/blog") == []
    assert "No entry matches this filter" in await text_of(web, "/audit?actor=nobody")
    page = await text_of(web, "/audit?actor=dashboard+%28127.0.0.1%29")
    assert "new &lt;disk&gt;" in page
    assert 'href="/audit.csv?actor=dashboard+%28127.0.0.1%29"' in page


async def test_the_audit_is_read_page_by_page_without_gap_or_repetition(web: aiohttp.ClientSession, house: Dashboard):
    store = IncidentStore(house.pool)
    for n in range(120):  # all at one time: only the number tells them apart
        await store.audit(f"many-{n}", NOW, "system", "=many()", "count", "local/many", {"n": n})
    seen: list[str] = []
    query = "?target=local/many"
    while query:
        async with web.get(f"/audit.json{query}") as answer:
            body = await answer.json()
        seen += [row["detail"]["n"] for row in body["items"]]
        query = body["next"]
    assert seen == list(range(119, -1, -1))
    text = await text_of(web, "/audit.csv?target=local/many")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["detail"] for row in rows] == [f'{{"n": {n}}}' for n in range(119, -1, -1)]
    assert {row["actor"] for row in rows} == {"'=many()"}
    assert "older →" in await text_of(web, "/audit?target=local/many")
    async with web.get("/audit?after=rubbish") as answer:
        assert answer.status == 409
