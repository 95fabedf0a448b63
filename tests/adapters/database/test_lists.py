"""What lists read: bars over any period, pages of services, facts by kind, the audit by every filter."""

from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from adapters.database.health import HealthStore
from adapters.database.incidents import IncidentStore
from adapters.database.migrate import migrate, migrations
from adapters.database.notices import NoticeStore
from adapters.database.pool import Pool
from adapters.database.reads import Reads
from adapters.database.records import DAY, PERIODS, AuditFilter, EventFilter, ServiceFilter
from domain.action import ActionState
from domain.errors import FatalError
from domain.health import ProbeStatus, ServiceStatus
from domain.ids import ActionId, IncidentId, ServiceId
from domain.inventory import Inventory
from domain.notice import Delivery
from tests.support.record import (
    APP,
    NOON,
    a_health,
    a_notice,
    a_result,
    an_action,
    an_alert,
    an_entry,
    an_inventory,
    at,
)

DB = ServiceId("local/db")
EVERYTHING = EventFilter(("opened", "action"), notices=True, patrols=True, probes=True, notes=True)


@pytest.fixture
def reads(pool: Pool) -> Reads:
    return Reads(pool)


async def test_a_failure_is_counted_once_and_lasts_until_the_next_result(pool: Pool, reads: Reads) -> None:
    health = HealthStore(pool)
    await health.save_inventory(an_inventory("app"), NOON)
    bad = ProbeStatus.FAIL
    minutes = [(0, ProbeStatus.OK), (5, bad), (10, bad), (12, ProbeStatus.OK), (20, bad), (24, ProbeStatus.OK)]
    for minute, status in minutes:  # one patrol each: a patrol looks back at what the one before it stored
        both = [a_result(seconds=minute * 60, status=status, probe=name) for name in ("http", "tcp")]
        await health.save_probes(both, [], f"p{minute}")
    (bar,) = (await reads.lists.uptime(at(1500), [APP], replace(DAY, buckets=1)))[APP]
    assert (bar.fail, bar.failures, bar.down_s) == (6, 2, 7 * 60 + 4 * 60)
    await health.save_probes([a_result(seconds=60 * m, status=s, probe="late") for m, s in minutes], [], "at once")
    (again,) = (await reads.lists.uptime(at(1500), [APP], replace(DAY, buckets=1)))[APP]
    assert (again.failures, again.down_s) == (4, 2 * bar.down_s)  # the same, told in one piece
    for period in PERIODS.values():
        bars = (await reads.lists.uptime(at(1500), [APP], period))[APP]
        assert len(bars) == period.buckets
        assert (bars[-1].failures, bars[-1].down_s, bars[-1].ok) == (again.failures, again.down_s, again.ok)


async def test_nobody_knows_how_long_a_failure_lasted_when_nobody_looked(pool: Pool, reads: Reads) -> None:
    health = HealthStore(pool)
    await health.save_inventory(an_inventory("app"), NOON)
    await health.save_probes([a_result(status=ProbeStatus.FAIL)], [], "p1")
    await health.save_probes([a_result(seconds=86_400)], [], "p2")
    bars = (await reads.lists.uptime(at(86_400), [APP], PERIODS["7d"]))[APP]
    assert sum(bar.down_s for bar in bars) == 7200


async def test_services_come_in_pages_worst_first_and_by_what_they_are(pool: Pool, reads: Reads) -> None:
    health = HealthStore(pool)
    names = ("a", "b", "c", "d", "e")
    listed = an_inventory(*names).services
    tagged = tuple(
        s.model_copy(update={"tags": ("web",), "aliases": ("front",)}) if s.name == "c" else s for s in listed
    )
    await health.save_inventory(Inventory(services=tagged), NOON)
    states = {"b": ServiceStatus.DOWN, "d": ServiceStatus.DEGRADED, "a": ServiceStatus.UP}
    await health.save_probes(
        [a_result("local/a", status=ProbeStatus.FAIL)],
        [a_health(f"local/{n}", status=s) for n, s in states.items()],
        "p",
    )
    seen, after = [], ""
    while True:
        found = await reads.lists.services(ServiceFilter(), after, 2)
        seen += [row.name for row in found.rows]
        if not (after := found.next):
            break
    assert seen == ["b", "d", "c", "e", "a"]
    ways = {
        "b d": ServiceFilter(statuses=("down", "degraded")),
        "c": ServiceFilter(tag="web"),
        "a": ServiceFilter(unstable_since=NOON),
        "": ServiceFilter(node="nas"),
    }
    for names_found, which in ways.items():
        assert " ".join(row.name for row in (await reads.lists.services(which)).rows) == names_found
    assert [row.name for row in (await reads.lists.services(ServiceFilter(text="FRONT"))).rows] == ["c"]
    assert await reads.lists.marks() == (("local",), ("web",))
    assert await reads.lists.latency(["local/a", "local/b"], NOON) == {"local/a": (12.5, 12.5)}


async def test_a_position_in_services_that_somebody_made_up_is_refused(reads: Reads) -> None:
    for text in ("1", "x~y", "99999~y", "-1~y"):
        with pytest.raises(FatalError, match="start from the first page"):
            await reads.lists.services(ServiceFilter(), text)


async def test_bars_are_filled_from_the_results_of_an_older_record(empty_database_url: str) -> None:
    known = migrations()
    number = next(m.version for m in known if m.name == "lists")
    await migrate(empty_database_url, known[: number - 1])
    with psycopg.connect(empty_database_url) as conn:
        for n, (minute, status) in enumerate([(0, "ok"), (5, "fail"), (10, "fail"), (12, "ok")]):
            conn.execute(
                "INSERT INTO probe_result (service, probe, kind, status, at, latency_ms, summary) VALUES (%s, 'h', 'http', %s, %s, 1, %s)",
                (APP, status, at(minute * 60), str(n)),
            )
        conn.execute("INSERT INTO probe_slot (service, slot, ok, fail) VALUES (%s, %s, 2, 2)", (APP, NOON))
        conn.execute(
            "INSERT INTO audit (at, actor_kind, actor, action) VALUES (%s, 'session', 's', 'tool_denied')", (NOON,)
        )
    await migrate(empty_database_url)
    async with Pool(empty_database_url) as pool:
        await HealthStore(pool).save_inventory(an_inventory("app"), NOON)
        for period in PERIODS.values():
            bars = (await Reads(pool).lists.uptime(at(900), [APP], period))[APP]
            assert (bars[-1].ok, bars[-1].fail, bars[-1].failures, bars[-1].down_s) == (2, 2, 1, 7 * 60)
        assert await Reads(pool).lists.audit_words() == ("tool.denied",)


async def test_facts_of_every_kind_come_in_one_order_without_gap_or_double(pool: Pool, reads: Reads) -> None:
    incidents, health = IncidentStore(pool), HealthStore(pool)
    for n in range(4):  # many in one instant: only the key keeps them apart
        await incidents.timeline(f"t{n}", an_entry(f"entry {n}", kind=("opened", "action")[n % 2]))
        await NoticeStore(pool).save_delivery(
            a_notice(key=f"n{n}"), Delivery(channel="ch", delivered=n > 0, message="away"), NOON
        )
        await health.patrol_finished(f"p{n}", NOON, at(1), 2, n, 0, 0)
        await health.save_probes([a_result(status=ProbeStatus.FAIL, probe=f"h{n}"), a_result(probe=f"ok{n}")], [], "p")
        await incidents.save_ledger_note(
            APP, ("snooze", "reset")[n % 2], None, f"why {n}", "ada", NOON + timedelta(microseconds=n)
        )
    whole = (await reads.lists.events(EVERYTHING, limit=100)).rows
    assert len(whole) == 20
    assert [(e.at, e.key) for e in whole] == sorted(((e.at, e.key) for e in whole), reverse=True)
    seen, after = [], ""
    while True:
        found = await reads.lists.events(EVERYTHING, after, 3)
        seen += found.rows
        if not (after := found.next):
            break
    assert tuple(seen) == whole


async def test_only_the_wanted_kinds_and_times_are_told(pool: Pool, reads: Reads) -> None:
    incidents = IncidentStore(pool)
    await incidents.timeline("t1", an_entry("old", kind="opened"))
    await incidents.timeline("t2", an_entry("new", 60, kind="action"))
    await incidents.save_ledger_note(APP, "snooze", None, "why", "ada", at(30))

    async def texts(which: EventFilter) -> list[str]:
        return [e.text for e in (await reads.lists.events(which)).rows]

    assert await texts(EVERYTHING) == ["new", "ada: why", "old"]
    assert await texts(EventFilter(("opened",))) == ["old"]
    assert await texts(replace(EVERYTHING, since=at(30))) == ["new", "ada: why"]
    assert await texts(replace(EVERYTHING, until=at(30))) == ["old"]
    assert await texts(EventFilter()) == []
    assert await reads.lists.oldest_event(EVERYTHING) == NOON
    assert await reads.lists.oldest_event(EventFilter(notes=True)) == at(30)
    assert await reads.lists.oldest_event(EventFilter(patrols=True)) is None
    assert await reads.lists.timeline_words() == ("action", "opened")


async def test_events_of_one_service_are_those_of_its_incidents_probes_and_notes(pool: Pool, reads: Reads) -> None:
    incidents, health = IncidentStore(pool), HealthStore(pool)
    for n, service in enumerate((APP, DB)):
        name = IncidentId(f"inc_{n}")
        await incidents.incident_opened(name, an_alert(service, at=at(n)), "w", "r", False, False, "", "")
        await incidents.timeline(f"t{n}", an_entry(f"entry {n}", n, incident=name, kind="opened"))
        notice, delivery = (
            a_notice(key=f"n{n}", incident=name, title=f"notice {n}"),
            Delivery(channel="c", delivered=True, message=""),
        )
        await NoticeStore(pool).save_delivery(notice, delivery, at(n))
        await health.save_probes([a_result(service, at=at(n), status=ProbeStatus.FAIL, summary=f"probe {n}")], [], "p")
        await incidents.save_ledger_note(service, "snooze", None, f"note {n}", "ada", at(n))
    await health.patrol_finished("p", NOON, at(1), 2, 0, 0, 0)
    for n, service in enumerate((APP, DB)):
        rows = (await reads.lists.events(replace(EVERYTHING, service=service))).rows
        assert {row.service for row in rows} == {service}
        assert sorted(row.text.partition(" · ")[0][-1] for row in rows) == [str(n)] * 4
        assert await reads.lists.oldest_event(replace(EVERYTHING, service=service)) == at(n)
    assert (await reads.lists.events(replace(EVERYTHING, service="local/nobody"))).rows == ()


async def test_older_entries_learn_their_service_by_the_upgrade(empty_database_url: str) -> None:
    before = [m for m in migrations() if m.version < next(m.version for m in migrations() if m.name == "full_records")]
    await migrate(empty_database_url, before)
    with psycopg.connect(empty_database_url) as conn:
        conn.execute(
            "INSERT INTO incident (id, service, trigger, state, alert, workflow_id, run_id, dry_run, scripted, opened_at, updated_at)"
            " VALUES ('i', 'local/app', 'patrol', 'open', '{}', 'w', 'r', false, false, now(), now())"
        )
        conn.execute("INSERT INTO timeline (key, incident, at, kind, text) VALUES ('t', 'i', now(), 'opened', 'x')")
        conn.execute(
            "INSERT INTO notice (key, channel, incident, kind, title, body, delivered, at) VALUES ('n', 'c', 'i', 'k', 't', 'b', true, now())"
        )
    await migrate(empty_database_url)
    async with Pool(empty_database_url) as pool:
        rows = (await Reads(pool).lists.events(EventFilter(("opened",), notices=True, service="local/app"))).rows
    assert {row.source for row in rows} == {"timeline", "notice"}


async def test_the_newest_note_of_each_service_and_kind_is_found_among_many(pool: Pool, reads: Reads) -> None:
    store = IncidentStore(pool)
    for n in range(12):
        await store.save_ledger_note(
            (APP, DB)[n % 2], ("snooze", "reset", "maintenance")[n % 3], None, f"{n}", "ada", at(n)
        )
    assert sorted(int(note.reason) for note in await reads.ledger_notes()) == list(range(6, 12))
    assert sorted(int(note.reason) for note in await reads.ledger_notes(APP)) == [6, 8, 10]
    assert await reads.ledger_notes("local/nobody") == ()


async def test_the_audit_is_found_by_every_filter(pool: Pool, reads: Reads) -> None:
    store = IncidentStore(pool)
    said = (("user", "ada", "ledger.reset"), ("session", "s1", "action.refused"), ("user", "ada", "look.started"))
    for n, (kind, actor, action) in enumerate(said):
        await store.audit(f"k{n}", at(n), kind, actor, action, APP, {"n": n})

    async def found(**which: object) -> list[object]:
        return [row.detail["n"] for row in (await reads.audit(which=AuditFilter(**which))).rows]  # pyright: ignore[reportArgumentType]

    assert await found(actor_kind="user") == await found(actor="ada") == [2, 0]
    assert await found(action="action.refused") == [1]
    assert await found(since=at(1)) == [2, 1]
    assert await found(until=at(1), target=APP) == [0]
    assert await reads.lists.audit_words() == ("action.refused", "ledger.reset", "look.started")
    assert await reads.lists.audit_oldest() == NOON


async def test_actions_of_several_services_are_read_at_once(pool: Pool, reads: Reads) -> None:
    store = IncidentStore(pool)
    for n in range(4):
        state = ActionState.REFUSED if n == 1 else ActionState.DONE
        await store.save_action(
            an_action(id=ActionId(f"act_{n}"), target=ServiceId(f"local/s{n % 2}"), requested_at=at(n), state=state)
        )
    names = ["local/s0", "local/s1", "local/none"]
    assert [a.id for a in await reads.lists.actions_on(names, 1)] == ["act_3", "act_2"]
    assert [a.id for a in await reads.lists.refused_on(names, NOON, 5)] == ["act_1"]
