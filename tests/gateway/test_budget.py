"""The money of a session, at the door: reserved, settled, remembered, and an end that people understand."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web

from claude.result import BUDGET_EXHAUSTED
from demo.model import serve
from demo.model.scenario import Scenario
from domain.errors import RecordUnavailableError, TransientError
from domain.session import SessionStatus
from gateway.doors import DoorKeeper
from gateway.purse import FILE, Purse
from gateway.session import Upstream
from policy.prices import cost_usd, most_usd
from tests.gateway.test_model_proxy import BODY, END, HEADERS, PATH, START, TEXT, streamed
from tests.support import claude_cli, gateway
from tests.support.claude_cli import TIER_2, Bench

ONE = (11 * 2 + 42 * 10 + 300 * 0.10 + 20 * 2.5 + 30 * 4) / 1e6  # what START and END cost


async def whole(request: web.Request) -> web.StreamResponse:
    return await streamed(request, START, TEXT, END)


async def test_over_the_budget_the_next_request_is_refused_and_the_api_never_sees_it(tmp_path: Path):
    asked: list[str] = []

    async def model(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        return await whole(request)

    async with gateway.upstream(model) as url, gateway.room(tmp_path, url) as room:
        door = await room.open(budget_usd=2.5 * ONE)
        async with gateway.through(door) as client:
            for status in (200, 200, 200, 402, 402):
                async with client.post(PATH, json=BODY, headers=HEADERS) as answer:
                    assert answer.status == status
                    text = await answer.text()
        assert BUDGET_EXHAUSTED in text
        await room.written()
    assert len(asked) == 3
    assert [a for a, _, _ in room.records.audits.values()] == ["budget.exhausted"]
    assert len(room.records.calls) == 3


async def test_requests_side_by_side_overspend_by_no_more_than_one_bound(tmp_path: Path):
    together: list[int] = [0, 0]

    async def model(request: web.Request) -> web.StreamResponse:
        together[0] += 1
        together[1] = max(together)
        await asyncio.sleep(0.02)
        together[0] -= 1
        return await whole(request)

    async with gateway.upstream(model) as url, gateway.room(tmp_path, url) as room:
        door = await room.open(budget_usd=3.5 * ONE)
        async with gateway.through(door) as client:

            async def ask() -> int:
                async with client.post(PATH, json=BODY, headers=HEADERS) as answer:
                    await answer.read()
                    return answer.status

            statuses = sorted(await asyncio.gather(*(ask() for _ in range(12))))
        await room.written()
    # The bound of one request (2,000 tokens that the API may add) is more than this budget: they go one by one.
    assert statuses == [200] * 4 + [402] * 8
    assert together[1] == 1
    assert sum(c.cost_usd for c in room.records.calls) == pytest.approx(4 * ONE)


async def test_requests_that_fit_go_side_by_side(tmp_path: Path):
    here = asyncio.Event()
    waiting: list[web.Request] = []

    async def model(request: web.Request) -> web.StreamResponse:
        waiting.append(request)
        if len(waiting) == 3:
            here.set()
        await here.wait()
        return await whole(request)

    async with gateway.upstream(model) as url, gateway.room(tmp_path, url) as room:
        door = await room.open()
        async with gateway.through(door) as client, asyncio.timeout(10):
            answers = await asyncio.gather(*(client.post(PATH, json=BODY, headers=HEADERS) for _ in range(3)))
            assert [a.status for a in answers] == [200] * 3


@pytest.mark.parametrize("record", ["there", "away", "without the file"])
async def test_a_new_gateway_knows_what_was_spent(tmp_path: Path, record: str):
    async with gateway.upstream(whole) as url, gateway.room(tmp_path, url) as room:
        door = await room.open(budget_usd=1.5 * ONE)
        async with gateway.through(door) as client:
            for _ in range(2):
                await (await client.post(PATH, json=BODY, headers=HEADERS)).read()
        await room.written()
        await room.keeper.stop()
        if record == "away":
            room.records.away = RecordUnavailableError("no Postgres")
        if record == "without the file":
            (door.folder.root / FILE).unlink()
        again = DoorKeeper(tmp_path / "sessions", room.behind)
        assert await again.reopen() == 1
        async with gateway.through(door) as client, client.post(PATH, json=BODY, headers=HEADERS) as answer:
            assert answer.status == 402
        await again.stop()


async def test_a_cut_stream_costs_what_was_seen_and_never_nothing(tmp_path: Path):
    async def model(request: web.Request) -> web.StreamResponse:
        parts = {"seen": (START, TEXT * 50), "silent": ()}[request.headers["x-app"]]
        response = await streamed(request, *parts)
        assert request.transport
        await asyncio.sleep(0.05)
        request.transport.abort()
        return response

    async with gateway.upstream(model) as url, gateway.room(tmp_path, url) as room:
        door = await room.open()
        async with gateway.through(door) as client:
            for what in ("seen", "silent"):
                with pytest.raises(Exception, match=r"."):
                    await (await client.post(PATH, json=BODY, headers={**HEADERS, "x-app": what})).read()
        await room.written()
    seen, silent = room.records.calls
    assert seen.input_tokens == 11
    assert seen.output_tokens >= 50
    assert silent.input_tokens > 0
    assert min(seen.cost_usd, silent.cost_usd) > 0


async def test_errors_of_the_api_and_an_api_that_is_away_cost_nothing(tmp_path: Path):
    async def busy(request: web.Request) -> web.StreamResponse:
        return web.json_response({}, status=529)

    async with gateway.upstream(busy) as url:
        for address in (url, "http://127.0.0.1:9"):
            async with gateway.room(tmp_path / address[-4:], address) as room:
                door = await room.open()
                async with gateway.through(door) as client, client.post(PATH, json=BODY, headers=HEADERS) as answer:
                    assert answer.status == 529
                await room.written()
            assert room.records.calls[0].cost_usd == 0


async def test_a_model_without_a_price_and_a_request_without_a_bound_are_refused(tmp_path: Path):
    changed = Upstream(url="http://127.0.0.1:9", credential=gateway.API_KEY, models={2: "somebody-elses-model"})
    async with gateway.room(tmp_path, upstream=changed) as room:
        door = await room.open()
        body = {**BODY, "model": "somebody-elses-model"}
        async with gateway.through(door) as client, client.post(PATH, json=body, headers=HEADERS) as answer:
            assert answer.status == 400
            assert "price" in await answer.text()
    async with gateway.room(tmp_path / "b") as room:
        door = await room.open()
        async with gateway.through(door) as client:
            for most in (None, 0, -1, True, "9", 1e3, 10**12):
                async with client.post(PATH, json={**BODY, "max_tokens": most}, headers=HEADERS) as answer:
                    assert answer.status == 400, most


async def test_a_reservation_that_died_with_its_gateway_counts_with_its_prompt(tmp_path: Path):
    purse = Purse(tmp_path / FILE)
    assert await purse.reserve("a", 0.5, 1.0, 0.05)
    assert await purse.reserve("b", 0.25, 1.0, 0.02)
    purse.settle("a", 0.1)
    with (tmp_path / FILE).open("a") as file:
        file.write("settled b 0.0\x00tor")
    assert Purse(tmp_path / FILE).spent == pytest.approx(0.12)


async def test_without_a_disk_nothing_is_spent(tmp_path: Path):
    with pytest.raises(TransientError, match="free some disk"):
        await Purse(tmp_path / "absent" / FILE).reserve("a", 0.5, 1.0, 0.05)


def test_the_bound_is_above_the_cost_of_whatever_fits_into_the_request():
    from datetime import UTC, datetime

    from policy.prices import KNOWN, Tokens

    at = datetime(2026, 11, 21, tzinfo=UTC)
    for model in sorted(KNOWN):
        for size in (100, 99_000, 400_000):
            dear = Tokens(cache_write_1h=size, output=1000)
            assert most_usd(model, size, 1000, at) >= cost_usd(model, dear, at)


async def test_the_real_cli_ends_at_once_and_its_end_is_called_by_its_name(tmp_path: Path):
    model = await serve(Scenario.model_validate({"rules": [{"name": "all", "steps": [{"say": "hello"}]}]}))
    async with gateway.room(tmp_path / "home", model.url) as room:
        bench = Bench(tmp_path, model, claude_cli.Door(model_url=model.url))
        plan = bench.plan(tier=TIER_2)
        bench.door.url = gateway.relay(await room.open(tier=2, session=plan.session, budget_usd=1e-9))
        ended = await bench.run(plan)
        await room.written()
    asked = len(model.requests)
    await model.close()
    assert (ended.verdict.status, ended.verdict.bound) == (SessionStatus.LIMIT, "money"), ended.verdict
    assert ended.verdict.message.startswith("Budget exhausted")
    assert asked == 1
