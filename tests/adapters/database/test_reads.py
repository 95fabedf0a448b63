"""What pages and commands see of what was written."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations_with_replacement
from typing import Any

import psycopg
import pytest

from adapters.database.health import HealthStore
from adapters.database.incidents import IncidentStore
from adapters.database.model_calls import ModelCallStore
from adapters.database.notices import NoticeStore
from adapters.database.output import OutputStore
from adapters.database.pool import Pool
from adapters.database.reads import Reads
from adapters.database.records import DAY, AuditFilter, IncidentFilter, Page
from adapters.database.sessions import SessionStore
from domain.action import ActionState
from domain.errors import FatalError
from domain.health import ProbeStatus, ServiceStatus
from domain.ids import ActionId, ApprovalId, IncidentId, ServiceId, SessionId
from domain.incident import ApprovalState, IncidentState, Trigger
from domain.notice import Delivery
from tests.support.record import (
    APP,
    INCIDENT,
    NOON,
    SESSION,
    WALLED,
    a_call,
    a_health,
    a_notice,
    a_permit,
    a_result,
    an_action,
    an_alert,
    an_approval,
    an_entry,
    an_inventory,
    an_order,
    an_outcome,
    at,
    lines,
)


@pytest.fixture
def reads(pool: Pool) -> Reads:
    return Reads(pool)


async def open_incident(pool: Pool, name: str, seconds: float = 0, **changes: Any) -> IncidentId:
    incident = IncidentId(name)
    alert = an_alert(seconds=seconds, **changes)
    await IncidentStore(pool).incident_opened(
        incident, alert, f"escalation/{alert.service}", "run-1", False, True, "", ""
    )
    return incident


async def test_an_empty_record_gives_empty_pages(reads: Reads) -> None:
    overview = await reads.overview(NOON)
    assert (overview.counts.services, overview.use.tokens, overview.patrol, overview.open) == (0, 0, None, ())
    assert await reads.incidents() == Page(())
    assert await reads.incidents(IncidentFilter(service=APP)) == Page(())
    assert await reads.incidents(IncidentFilter(states=("open",))) == Page(())
    assert await reads.incident("inc_none") is None
    assert await reads.timeline("inc_none") == ()
    assert await reads.sessions() == Page(())
    assert await reads.session("none") is None
    assert await reads.approvals_pending() == ()
    assert await reads.approvals_decided() == Page(())
    assert await reads.approval("none") is None
    assert await reads.services() == ()
    assert await reads.service(APP) is None
    assert await reads.lists.uptime(NOON, []) == {}
    assert await reads.permits(NOON) == ()
    assert await reads.ledger_notes() == ()
    assert await reads.notices() == Page(())
    assert await reads.audit() == Page(())
    assert await reads.action("none") is None
    assert (await reads.inventory()).services == ()


async def test_pages_of_incidents_follow_each_other_without_gap_or_double(pool: Pool, reads: Reads) -> None:
    for n in range(7):  # two share each moment, so that the id must break the tie
        await open_incident(pool, f"inc_{n:04}", seconds=n // 2)
    seen: list[str] = []
    after = ""
    while True:
        page = await reads.incidents(after=after, limit=3)
        seen += [row.id for row in page.rows]
        after = page.next
        if not after:
            break
    assert seen == [f"inc_{n:04}" for n in (6, 5, 4, 3, 2, 1, 0)]


async def test_incidents_are_filtered_by_state_service_and_trigger(pool: Pool, reads: Reads) -> None:
    first = await open_incident(pool, "inc_0001")
    second = await open_incident(pool, "inc_0002", 1, service="local/db", trigger=Trigger.MANUAL)
    third = await open_incident(pool, "inc_0003", 2)
    await IncidentStore(pool).incident_state(third, IncidentState.RESOLVED, 2, "fixed", at(60))

    async def ids(**which: Any) -> list[str]:
        return [row.id for row in (await reads.incidents(IncidentFilter(**which))).rows]

    assert await ids() == [third, second, first]
    assert await ids(service="local/db") == [second]
    assert await ids(service=APP, states=("resolved",)) == [third]
    assert await ids(states=("open",)) == [second, first]
    assert await ids(states=("open", "resolved"), trigger="patrol") == [third, first]
    assert await ids(trigger="manual") == [second]
    assert await ids(node="local") == [third, second, first]
    assert await ids(node="nas") == []
    assert await ids(tried=True) == await ids(tier=2) == [third]
    assert await ids(since=at(1)) == [third, second]
    assert await ids(until=at(1), states=("open",)) == [first]


async def test_every_two_filters_of_incidents_let_through_what_both_let_through(pool: Pool, reads: Reads) -> None:
    with psycopg.connect(pool.url) as conn:
        conn.execute(
            "INSERT INTO incident (id, service, trigger, state, tier, alert, workflow_id, run_id, dry_run, scripted,"
            " opened_at, updated_at, closed_at)"
            " SELECT 'i' || n, (ARRAY['a/x', 'a/y', 'b/x'])[1 + n % 3], (ARRAY['patrol', 'look'])[1 + n / 3 % 2], s, n % 4,"
            " '{}', 'w', 'r', false, false, at, at, CASE WHEN s = 'open' THEN NULL ELSE at END"
            " FROM generate_series(1, 90) n, LATERAL (SELECT '2026-11-21'::timestamptz - n / 2 * interval '1 hour' AS at,"
            " (ARRAY['open', 'resolved', 'reported'])[1 + n / 7 % 3] AS s) AS made"
        )
        rows = conn.execute("SELECT id, service, trigger, state, tier, opened_at FROM incident").fetchall()
    tests: dict[str, tuple[object, Callable[[Any], bool]]] = {
        "states": (("open", "reported"), lambda r: r[3] in {"open", "reported"}),
        "service": ("a/x", lambda r: r[1] == "a/x"),
        "node": ("a", lambda r: r[1].startswith("a/")),
        "trigger": ("look", lambda r: r[2] == "look"),
        "tier": (2, lambda r: r[4] == 2),
        "tried": (True, lambda r: r[4] > 0),
        "since": (datetime(2026, 11, 20, tzinfo=UTC), lambda r: r[5] >= datetime(2026, 11, 20, tzinfo=UTC)),
    }
    ordered = sorted(rows, key=lambda r: (r[5], r[0]), reverse=True)
    for one, two in combinations_with_replacement(tests, 2):
        which = IncidentFilter(**{one: tests[one][0], two: tests[two][0]})  # type: ignore[arg-type]
        expected = [r[0] for r in ordered if tests[one][1](r) and tests[two][1](r)]
        found, after = [], ""
        while True:
            some = await reads.incidents(which, after, 7)
            found += [row.id for row in some.rows]
            if not (after := some.next):
                break
        assert found == expected, (one, two)
    assert await reads.incidents(IncidentFilter(service="a/x", node="b")) == Page(())


async def test_a_position_that_somebody_made_up_is_refused(reads: Reads) -> None:
    for text in ("1", "yesterday~x", "20261121T120000.000000"):
        with pytest.raises(FatalError, match="start from the first page"):
            await reads.incidents(after=text)


async def test_an_incident_is_found_by_the_beginning_of_its_id_where_only_one_fits(pool: Pool, reads: Reads) -> None:
    await open_incident(pool, "inc_aaaa1")
    await open_incident(pool, "inc_aaaa2")
    await open_incident(pool, "inc_bbbb1")
    found = await reads.incident("inc_bb")
    assert found is not None
    assert found.id == "inc_bbbb1"
    assert await reads.incident("inc_aa") is None
    assert await reads.incident("inc_") is None
    assert await reads.incident("inc_%%%%") is None


async def test_a_run_shows_its_timeline_sessions_actions_approvals_and_cost(pool: Pool, reads: Reads) -> None:
    store, sessions = IncidentStore(pool), SessionStore(pool)
    await open_incident(pool, INCIDENT, affected=(ServiceId("local/worker"),))
    await store.timeline("k2", an_entry("tier 1 began", 2, tier=1, detail={"model": "haiku"}))
    await store.timeline("k1", an_entry("noticed", 1))
    await sessions.session_started(an_order(), WALLED, True, at(1))
    await OutputStore(pool).append_output(SESSION, 1, lines(1, 5))
    await sessions.session_ended(an_outcome())
    await sessions.session_started(an_order(attempt=2), WALLED, True, at(40))
    await store.save_action(an_action(state=ActionState.DONE, finished_at=at(20)))
    await store.save_approval(an_approval())
    await ModelCallStore(pool).model_call(a_call())
    await NoticeStore(pool).save_delivery(a_notice(), Delivery(channel="ch1-json", delivered=True, message="ok"), at(3))

    assert [entry.text for entry in await reads.timeline(INCIDENT)] == ["noticed", "tier 1 began"]
    one, two = await reads.sessions_of(INCIDENT)
    assert (one.attempt, one.status, one.lines, one.cost_usd) == (1, "completed", 5, 0.01)
    assert one.report is not None
    assert one.report["summary"] == "app hangs"
    assert (two.attempt, two.status, two.lines, two.ended_at) == (2, "running", 0, None)
    assert await reads.session(SESSION) == two
    assert await reads.session(SESSION, 1) == one
    assert [row.attempt for row in (await reads.sessions()).rows] == [2, 1]
    assert [action.state for action in await reads.actions_of(INCIDENT)] == [ActionState.DONE]
    assert await reads.actions_on(APP) == await reads.actions_of(INCIDENT)
    assert await reads.approvals_pending() == await reads.approvals_of(INCIDENT) == (an_approval(),)
    assert (await reads.model_use_of(INCIDENT)).tokens == 120
    assert [notice.channel for notice in await reads.notices_of(INCIDENT)] == ["ch1-json"]
    assert (await reads.notices()).rows == await reads.notices_of(INCIDENT)
    row = (await reads.incidents()).rows[0]
    assert (row.sessions, row.actions, row.tokens, row.pending_approvals) == (1, 1, 120, 1)
    detail = await reads.incident(INCIDENT)
    assert detail is not None
    assert detail.affected == ["local/worker"]
    assert detail.alert["service"] == APP


async def test_sessions_come_in_pages(pool: Pool, reads: Reads) -> None:
    store = SessionStore(pool)
    for n in range(5):
        await store.session_started(an_order(session=SessionId(f"s{n // 2}"), attempt=n % 2 + 1), WALLED, True, NOON)
    seen: list[tuple[str, int]] = []
    after = ""
    while True:
        page = await reads.sessions(after, limit=2)
        seen += [(row.id, row.attempt) for row in page.rows]
        if not (after := page.next):
            break
    assert seen == [("s2", 1), ("s1", 2), ("s1", 1), ("s0", 2), ("s0", 1)]


async def test_decided_approvals_come_in_pages(pool: Pool, reads: Reads) -> None:
    for n in range(3):
        state = {"state": ApprovalState.DENIED, "decided_at": at(5), "decided_by": "ada"}
        await IncidentStore(pool).save_approval(an_approval(id=ApprovalId(f"apr_{n}"), **state))
    first = await reads.approvals_decided(limit=2)
    rest = await reads.approvals_decided(first.next, limit=2)
    assert [a.id for a in (*first.rows, *rest.rows)] == ["apr_2", "apr_1", "apr_0"]
    assert rest.next == ""


async def test_services_show_their_health_latency_and_open_incident_worst_first(pool: Pool, reads: Reads) -> None:
    health = HealthStore(pool)
    await health.save_inventory(an_inventory("app", "db", "new"), NOON)
    results = [a_result(), a_result(probe="tcp", latency_ms=99), a_result("local/db", status=ProbeStatus.FAIL)]
    down = a_health("local/db", status=ServiceStatus.DOWN, summary="refused")
    await health.save_probes(results, [a_health(), down], "patrol-1")
    await open_incident(pool, "inc_0001", service="local/db", affected=(APP,))
    rows = await reads.services()
    assert [(row.id, row.status, row.open_incident) for row in rows] == [
        ("local/db", "down", "inc_0001"),
        ("local/new", "unknown", ""),
        ("local/app", "up", "inc_0001"),
    ]
    assert rows[2].latency_ms == 99
    counts = (await reads.overview(NOON)).counts
    assert (counts.services, counts.up, counts.down, counts.unknown, counts.open_incidents) == (3, 1, 1, 1, 1)
    detail = await reads.service("local/db")
    assert detail is not None
    assert detail.health == down
    assert detail.spec.name == "db"


async def test_a_service_that_is_no_longer_declared_is_gone_from_the_list_but_not_from_the_record(
    pool: Pool, reads: Reads
) -> None:
    health = HealthStore(pool)
    await health.save_inventory(an_inventory("app", "db"), NOON)
    await health.save_inventory(an_inventory("app"), at(1))
    assert [row.id for row in await reads.services()] == ["local/app"]
    assert [row.id for row in await reads.services(gone=True)] == ["local/app", "local/db"]


async def test_uptime_bars_have_a_slot_for_every_half_hour(pool: Pool, reads: Reads) -> None:
    health = HealthStore(pool)
    await health.save_inventory(an_inventory("app"), NOON)
    results = [a_result(seconds=s) for s in (0, 60, 1799)] + [a_result(seconds=1800, status=ProbeStatus.FAIL)]
    await health.save_probes(results, [], "patrol-1")
    await health.save_probes(results, [], "patrol-1")  # stored twice, counted once
    hours = replace(DAY, buckets=4)
    bars = (await reads.lists.uptime(NOON + timedelta(minutes=61), [APP, "none"], hours))[APP]
    assert [(bar.start, bar.status) for bar in bars] == [
        (at(-1800), "none"),
        (at(0), "up"),
        (at(1800), "down"),
        (at(3600), "none"),
    ]
    assert [bar.ok for bar in bars] == [0, 3, 0, 0]


async def test_model_use_counts_the_given_time_only(pool: Pool, reads: Reads) -> None:
    store = ModelCallStore(pool)
    await store.model_call(a_call(id="yesterday", at=at(-1)))
    await store.model_call(a_call(id="today", cache_read_tokens=5, scripted=True))
    use = await reads.model_use(NOON)
    assert (use.calls, use.scripted_calls, use.tokens) == (1, 1, 125)
    assert (await reads.model_use(at(-10), NOON)).tokens == 120


async def test_the_ledger_page_reads_permits_and_newest_notes(pool: Pool, reads: Reads) -> None:
    store = IncidentStore(pool)
    await store.save_permit(a_permit())
    await store.save_ledger_note(APP, "snooze", at(60), "old", "ada", NOON)
    await store.save_ledger_note(APP, "snooze", None, "over", "ada", at(1))
    assert await reads.permits(NOON) == await reads.permits(NOON, APP) == (a_permit(),)
    assert await reads.permits(at(1)) == ()
    assert [(n.kind, n.reason) for n in await reads.ledger_notes()] == [("snooze", "over")]


async def test_the_audit_is_read_by_target_and_in_pages(pool: Pool, reads: Reads) -> None:
    store = IncidentStore(pool)
    for n in range(3):
        await store.audit(f"k{n}", NOON, "user", "ada", "approve", APP if n else "other", {"n": n})
    first = await reads.audit(limit=2)
    assert [row.detail["n"] for row in first.rows] == [2, 1]
    assert [row.detail["n"] for row in (await reads.audit(first.next, limit=2)).rows] == [0]
    assert [row.detail["n"] for row in (await reads.audit(which=AuditFilter(target="other"))).rows] == [0]


async def test_an_action_is_read_back_whole(pool: Pool, reads: Reads) -> None:
    action = an_action(id=ActionId("act_9"), params={"umlaut": "ä", "deep": [1, {"x": None}]})
    await IncidentStore(pool).save_action(action)
    assert await reads.action("act_9") == action
    assert await IncidentStore(pool).find_action(ActionId("act_9")) == action
