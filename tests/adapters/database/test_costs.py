"""Spending is added up while calls are stored: once per call, per part, in the owner's days."""

import asyncio
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import psycopg
import pytest

from adapters.database.budget import BudgetStore
from adapters.database.costs import CostDays, CostReads
from adapters.database.migrate import migrate, migrations
from adapters.database.model_calls import ModelCallStore
from adapters.database.pool import Pool
from adapters.database.reads import Reads
from adapters.database.upkeep import UpkeepStore
from domain.errors import FatalError
from domain.session import ModelCall
from policy.budget import windows
from tests.support import seed
from tests.support.postgres import TestServer
from tests.support.record import NOON, a_call

DAY = timedelta(days=1)


async def spend(pool: Pool, *calls: tuple[str, datetime, int, float]) -> None:
    for n, (session, at, tier, cost) in enumerate(calls):
        call = a_call(id=f"{session}-{n}-{at.isoformat()}", session=session, at=at, tier=tier, cost_usd=cost)
        await ModelCallStore(pool).model_call(call)


async def test_a_call_counts_once_however_often_it_is_written(pool: Pool) -> None:
    for _ in range(3):
        await ModelCallStore(pool).model_call(a_call(tier=2))
    cells = await CostReads(pool).costs(NOON - DAY, NOON + DAY, "tier", "UTC")
    assert [(c.day, c.part, c.calls, c.tokens, c.cost_usd) for c in cells] == [(NOON.date(), "2", 1, 120, 0.01)]
    assert [s.calls for s in await CostReads(pool).dearest(NOON.date(), NOON.date())] == [1]


@pytest.mark.parametrize(("by", "parts"), [("tier", {"1", "2", "3"}), ("trigger", {"patrol"}), ("service", None)])
async def test_every_way_of_splitting_adds_up_to_what_the_gateway_counted(
    pool: Pool, by: str, parts: set[str] | None
) -> None:
    now = datetime.now(UTC)
    await seed.busy(pool, now)
    cells = await CostReads(pool).costs(now - 5 * DAY, now + DAY, by, "UTC")
    use = await Reads(pool).model_use(now - 5 * DAY)
    assert sum(c.calls for c in cells) == use.calls
    assert sum(c.tokens for c in cells) == use.tokens
    assert sum(c.cost_usd for c in cells) == pytest.approx(use.cost_usd)
    assert parts is None or {c.part for c in cells} <= parts


async def test_a_day_begins_where_the_owner_lives(pool: Pool) -> None:
    late = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)
    await spend(pool, ("a", late, 1, 0.5))
    for zone, day in (("UTC", 20), ("Europe/Berlin", 21), ("America/New_York", 20), ("Asia/Kolkata", 21)):
        cells = await CostReads(pool).costs(late - DAY, late + DAY, "tier", zone)
        assert [c.day for c in cells] == [date(2026, 11, day)], zone


async def test_many_parts_become_six_and_the_rest(pool: Pool) -> None:
    with psycopg.connect(pool.url) as conn:
        conn.execute(
            "INSERT INTO cost_slot SELECT '2026-11-20', 1, 'local/s' || n, 'patrol', false, 1, 10, n FROM generate_series(1, 20) n"
        )
    await CostDays(pool).keep("UTC")
    since = datetime(2026, 11, 1, tzinfo=UTC)
    cells = await CostReads(pool).costs(since, since + 30 * DAY, "service", "UTC")
    assert [(c.part, c.calls) for c in cells] == [*((f"local/s{n}", 1) for n in range(20, 14, -1)), ("others", 14)]
    assert sum(c.cost_usd for c in cells) == sum(range(1, 21))


async def test_the_dearest_sessions_are_found_over_days_and_tiers(pool: Pool) -> None:
    await spend(pool, *((f"s{n}", NOON - n * DAY, 3, n / 10) for n in range(12)), ("small", NOON, 1, 0.001))
    found = await CostReads(pool).dearest((NOON - 20 * DAY).date(), NOON.date())
    assert [s.session for s in found if s.place <= 10] == [f"s{n}" for n in range(11, 1, -1)]
    assert {s.tier: s.session for s in found if s.place_in_tier == 1} == {3: "s11", 1: "small"}
    recent = await CostReads(pool).dearest((NOON - 3 * DAY).date(), NOON.date())
    assert [s.session for s in recent] == ["s3", "s2", "s1", "small", "s0"]


async def test_what_is_too_old_goes(pool: Pool) -> None:
    await spend(pool, ("old", NOON - 100 * DAY, 1, 1.0), ("new", NOON, 1, 2.0))
    assert await CostReads(pool).first() == NOON - 100 * DAY
    gone = await UpkeepStore(pool).prune(NOON - 90 * DAY)
    assert (gone["cost_slot"], gone["cost_day"], gone["session_cost"]) == (1, 1, 1)
    assert await CostReads(pool).first() == NOON


async def test_a_short_retention_takes_no_spending_out_of_the_month_whose_budget_it_counts_for(pool: Pool) -> None:
    first, last = datetime(2026, 11, 1, 6, tzinfo=UTC), datetime(2026, 11, 28, 6, tzinfo=UTC)
    await spend(pool, ("before", first - DAY, 1, 4.0), ("first", first, 1, 1.0), ("last", last, 1, 2.0))
    gone = await UpkeepStore(pool).prune(last - 8 * DAY)
    assert (gone["cost_slot"], gone["cost_day"]) == (1, 1), "October may go"
    assert await BudgetStore(pool).spent_since(datetime(2026, 11, 1, tzinfo=UTC)) == 3.0
    cells = await CostReads(pool).costs(datetime(2026, 11, 1, tzinfo=UTC), last + DAY, "tier", "UTC")
    assert sum(c.cost_usd for c in cells) == 3.0


async def test_no_spending_of_a_day_is_missed_where_days_begin_within_a_half_hour(pool: Pool) -> None:
    day = windows(NOON, ZoneInfo("Asia/Kathmandu"))[0]
    begin = day.since
    assert begin.minute == 15
    minute = timedelta(minutes=1)
    await spend(pool, ("a", begin - 20 * minute, 1, 8.0), ("b", begin, 1, 1.0), ("c", begin + 20 * minute, 1, 2.0))
    assert await BudgetStore(pool).spent_since(begin) == 3.0
    assert await BudgetStore(pool).spent_since(begin - 15 * minute) == 3.0, "a whole half hour is counted once"


async def test_what_was_spent_before_the_upgrade_is_counted_by_it(
    postgres_server: TestServer, empty_database_url: str
) -> None:
    await migrate(empty_database_url, migrations()[:5])
    with psycopg.connect(empty_database_url) as conn:
        conn.execute(
            "INSERT INTO model_call (id, session, incident, at, model, status, input_tokens, cost_usd, scripted)"
            " SELECT 'c' || n, 's' || n % 2, 'gone', '2026-11-20 10:10+00', 'm', 200, 5, 0.25, false FROM generate_series(1, 4) n"
        )
    await migrate(empty_database_url)
    async with Pool(empty_database_url) as pool:
        since = datetime(2026, 11, 20, tzinfo=UTC)
        cells = await CostReads(pool).costs(since, since + DAY, "service", "UTC")
        assert [(c.part, c.calls, c.tokens, c.cost_usd) for c in cells] == [("", 4, 20, 1.0)]
        dear = await CostReads(pool).dearest(since.date(), since.date())
        assert [(s.session, s.cost_usd, s.tier) for s in dear] == [("s0", 0.5, 0), ("s1", 0.5, 0)]


ZONES = ("UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns", "Pacific/Auckland")
FIRST = datetime(2026, 10, 20, tzinfo=UTC)  # two weeks in which clocks are changed in Europe and America


def some_calls(random: Random, count: int) -> list[ModelCall]:
    """Calls around midnights of some zone and elsewhere; what they cost can be added up without rounding."""
    found: list[ModelCall] = []
    for n in range(count):
        midnight = datetime(2026, 10, 20, tzinfo=ZoneInfo(random.choice(ZONES))) + random.randrange(14) * DAY
        at = midnight.astimezone(UTC) + random.choice((-1, 1)) * timedelta(minutes=random.choice((1, 29, 31, 400)))
        session = f"s{random.randrange(20)}"
        cost, scripted = random.randrange(64) / 64, random.random() < 0.1
        found.append(
            a_call(id=f"c{n}", session=session, at=at, tier=random.randrange(4), cost_usd=cost, scripted=scripted)
        )
    return found


async def read_days(pool: Pool, zone: str) -> dict[tuple[date, str], tuple[int, int, float]]:
    """What the page of costs reads: whole days of a zone."""
    first = datetime(2026, 10, 1, tzinfo=ZoneInfo(zone))
    cells = await CostReads(pool).costs(first, datetime(2026, 12, 1, tzinfo=ZoneInfo(zone)), "tier", zone)
    return {(c.day, c.part): (c.calls, c.tokens, c.cost_usd) for c in cells}


def counted(calls: list[ModelCall], zone: str) -> dict[tuple[date, str], tuple[int, int, float]]:
    """The same from the calls themselves. Kolkata and St John's lie half an hour off, which half hours can tell."""
    many, tokens, cost = Counter[tuple[date, str]](), Counter[tuple[date, str]](), Counter[tuple[date, str]]()
    for call in calls:
        cell = (call.at.astimezone(ZoneInfo(zone)).date(), str(call.tier))
        many[cell] += 1
        tokens[cell] += call.input_tokens + call.output_tokens + call.cache_read_tokens + call.cache_write_tokens
        cost[cell] += call.cost_usd  # type: ignore[assignment]
    return {cell: (many[cell], tokens[cell], cost[cell]) for cell in many}


@pytest.mark.parametrize("seed_of_chance", range(3))
async def test_sums_of_days_are_those_of_the_calls_whatever_zone_they_are_kept_in(
    pool: Pool, seed_of_chance: int
) -> None:
    random = Random(seed_of_chance)
    calls = some_calls(random, 120)
    stored: list[ModelCall] = []
    for begin in range(0, len(calls), 40):
        for call in calls[begin : begin + 40]:
            for _ in range(random.choice((1, 1, 2))):
                await ModelCallStore(pool).model_call(call)
        stored += calls[begin : begin + 40]
        for zone in ZONES:
            assert await read_days(pool, zone) == counted(stored, zone), zone
        await CostDays(pool).keep(random.choice(ZONES))
        for zone in ZONES:
            assert await read_days(pool, zone) == counted(stored, zone), zone


async def test_no_call_is_lost_or_doubled_while_the_zone_changes(pool: Pool) -> None:
    calls = some_calls(Random(7), 200)

    async def store(part: list[ModelCall]) -> None:
        for call in part:
            await ModelCallStore(pool).model_call(call)

    async def change() -> None:
        for n in range(20):
            await CostDays(pool).keep(ZONES[n % len(ZONES)])
        await CostDays(pool).keep("Europe/Berlin")

    await asyncio.gather(*(store(calls[n::4]) for n in range(4)), change())
    with psycopg.connect(pool.url) as conn:
        kept = conn.execute("SELECT zone, (SELECT sum(calls) FROM cost_day) FROM cost_zone").fetchone()
    assert kept == ("Europe/Berlin", 200)
    assert await read_days(pool, "Europe/Berlin") == counted(calls, "Europe/Berlin")


async def test_a_zone_that_postgres_does_not_know_leaves_the_days_as_they_were(pool: Pool) -> None:
    await spend(pool, ("a", NOON, 1, 0.5))
    with pytest.raises(FatalError, match="Middle/Earth"):
        await CostDays(pool).keep("Middle/Earth")
    with psycopg.connect(pool.url) as conn:
        assert conn.execute("SELECT zone, (SELECT sum(calls) FROM cost_day) FROM cost_zone").fetchone() == ("UTC", 1)
