"""Patrols of any size are stored in one go, once, and never overwrite newer knowledge."""

import asyncio
from dataclasses import replace

import pytest

from adapters.database.health import HealthStore
from adapters.database.incidents import IncidentStore
from adapters.database.pool import Pool
from adapters.database.reads import Reads
from adapters.database.records import DAY
from domain.health import ProbeStatus, ServiceHealth, ServiceStatus
from domain.ids import ServiceId
from tests.support.record import APP, NOON, a_health, a_result, an_inventory, at


@pytest.fixture
def store(pool: Pool) -> HealthStore:
    return HealthStore(pool)


async def test_the_inventory_is_read_back_whole_and_the_newest_reading_wins(store: HealthStore) -> None:
    assert (await store.load_inventory()).services == ()
    newer, older = an_inventory("app", "db"), an_inventory("app")
    await store.save_inventory(newer, at(10))
    await store.save_inventory(older, at(5))
    assert await store.load_inventory() == newer


async def test_memories_are_read_back_whole(store: HealthStore) -> None:
    memory = a_health(failures_in_row=2, flips=(at(1), at(2)), summary="flaps")
    await store.save_probes([], [memory, a_health("local/db")], "p")
    assert await store.health() == {APP: memory, "local/db": a_health("local/db")}


async def test_an_older_memory_never_replaces_a_newer_one(store: HealthStore) -> None:
    newer = a_health(seconds=60, status=ServiceStatus.DOWN)
    await store.save_probes([], [newer], "p2")
    await store.save_probes([], [a_health(seconds=0), ServiceHealth(service=ServiceId(APP))], "p1")
    assert (await store.health())[ServiceId(APP)] == newer


async def test_storing_a_patrol_twice_stores_it_once(pool: Pool, store: HealthStore) -> None:
    results = [a_result(seconds=n, evidence="nul \0 here") for n in range(3)]
    for _ in range(2):
        await store.save_probes(results, [a_health()], "p")
        await store.patrol_finished("p", NOON, at(2), 1, 0, 0, 0)
    reads = Reads(pool)
    assert [r.at for r in await reads.probe_results(APP)] == [at(2), at(1), at(0)]
    assert (await reads.probe_results(APP))[0].evidence == "nul \u2400 here"
    assert len(await reads.patrols()) == 1


async def test_a_thousand_services_are_stored_in_one_go(pool: Pool, store: HealthStore) -> None:
    names = [f"local/s{n:04}" for n in range(1000)]
    results = [a_result(name, probe=probe, evidence="x" * 200) for name in names for probe in ("http", "tcp")]
    await store.save_probes(results, [a_health(name) for name in names], "p")
    assert len(await store.health()) == 1000
    assert len(await Reads(pool).probe_results("local/s0999")) == 2


async def test_two_patrols_at_once_do_not_block_each_other(pool: Pool, store: HealthStore) -> None:
    names = [f"local/s{n:03}" for n in range(200)]
    await asyncio.gather(
        *(
            store.save_probes([a_result(n, seconds=k) for n in order], [a_health(n, seconds=k) for n in order], f"p{k}")
            for k, order in enumerate([names, names[::-1], names, names[::-1]])
        )
    )
    assert {h.last_probe_at for h in (await store.health()).values()} == {at(3)}
    await store.save_inventory(an_inventory(*(n.removeprefix("local/") for n in names)), NOON)
    bars = await Reads(pool).lists.uptime(at(60), names, replace(DAY, buckets=1))
    assert {bar.ok for (bar,) in bars.values()} == {4}


@pytest.mark.parametrize("kind", ["maintenance", "snooze"])
async def test_a_service_is_held_until_its_time_is_over_or_somebody_ends_it(
    pool: Pool, store: HealthStore, kind: str
) -> None:
    notes = IncidentStore(pool)
    assert await store.hold(ServiceId(APP), NOON) == ""
    await notes.save_ledger_note(ServiceId(APP), kind, at(3600), "upgrade", "ada", NOON)
    assert await store.hold(ServiceId(APP), at(10)) == f"{kind} until 2026-11-21 13:00 UTC: upgrade"
    assert await store.hold(ServiceId(APP), at(3600)) == ""
    assert await store.hold(ServiceId("local/db"), at(10)) == ""
    await notes.save_ledger_note(ServiceId(APP), kind, None, "done", "ada", at(20))
    assert await store.hold(ServiceId(APP), at(30)) == ""


async def test_a_reset_holds_nothing(pool: Pool, store: HealthStore) -> None:
    await IncidentStore(pool).save_ledger_note(ServiceId(APP), "reset", at(3600), "false alarm", "ada", NOON)
    assert await store.hold(ServiceId(APP), at(1)) == ""


async def test_doubt_is_no_proof_in_the_bars(pool: Pool, store: HealthStore) -> None:
    await store.save_inventory(an_inventory("app"), NOON)
    await store.save_probes([a_result(status=ProbeStatus.ERROR)], [], "p")
    (bar,) = (await Reads(pool).lists.uptime(at(60), [APP], replace(DAY, buckets=1)))[APP]
    assert bar.status == "degraded"
