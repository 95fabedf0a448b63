"""Sessions begin once, end once, and tell the next one a bounded story."""

import json

import pytest

from adapters.database.health import HealthStore
from adapters.database.incidents import IncidentStore
from adapters.database.model_calls import ModelCallStore
from adapters.database.pool import Pool
from adapters.database.reads import Reads
from adapters.database.sessions import BRIEF_ACTIONS, BRIEF_RESULTS, SessionStore
from domain.errors import FatalError
from domain.ids import IncidentId, ServiceId, SessionId, bait_incident_id, bait_workflow_id
from domain.incident import IncidentState
from domain.session import SessionStatus, TierReport
from tests.support.record import (
    INCIDENT,
    NOON,
    SESSION,
    WALLED,
    a_call,
    a_result,
    an_action,
    an_alert,
    an_order,
    an_outcome,
    at,
)


@pytest.fixture
def store(pool: Pool) -> SessionStore:
    return SessionStore(pool)


async def test_starting_twice_keeps_the_first_time(pool: Pool, store: SessionStore) -> None:
    await store.session_started(an_order(), WALLED, True, NOON)
    await store.session_started(an_order(), WALLED, True, at(60))
    row = await Reads(pool).session(SESSION)
    assert row is not None
    assert (row.started_at, row.status, row.isolated, row.scripted) == (NOON, "running", True, True)


async def test_a_late_start_does_not_revive_an_ended_session(pool: Pool, store: SessionStore) -> None:
    await store.session_started(an_order(), WALLED, True, NOON)
    await store.session_ended(an_outcome())
    await store.session_started(an_order(), WALLED, True, at(60))
    row = await Reads(pool).session(SESSION)
    assert row is not None
    assert (row.status, row.ended_at) == ("completed", at(30))


async def test_an_end_replaces_stopped_but_not_another_end(pool: Pool, store: SessionStore) -> None:
    await store.session_started(an_order(), WALLED, True, NOON)
    for status in (SessionStatus.STOPPED, SessionStatus.COMPLETED, SessionStatus.STOPPED, SessionStatus.FAILED):
        await store.session_ended(an_outcome(status=status))
    row = await Reads(pool).session(SESSION)
    assert row is not None
    assert row.status == "completed"


async def test_an_outcome_without_a_time_still_ends_the_session(pool: Pool, store: SessionStore) -> None:
    await store.session_started(an_order(), WALLED, True, NOON)
    await store.session_ended(an_outcome(status=SessionStatus.REFUSED, report=None, ended_at=None, started_at=None))
    row = await Reads(pool).session(SESSION)
    assert row is not None
    assert row.status == "refused"
    assert row.ended_at is not None


async def test_ending_what_never_started_is_a_fault(store: SessionStore) -> None:
    with pytest.raises(FatalError, match="write its start first"):
        await store.session_ended(an_outcome())


async def test_the_brief_is_bounded_and_newest_first(pool: Pool, store: SessionStore) -> None:
    incidents = IncidentStore(pool)
    worker = ServiceId("local/worker")
    alert = an_alert(affected=(worker,))
    await incidents.incident_opened(INCIDENT, alert, "w", "r", False, True, "", "")
    results = [a_result(seconds=n) for n in range(100)] + [a_result(worker, seconds=200)]
    await HealthStore(pool).save_probes([*results, a_result("local/other", seconds=300)], [], "p")
    for n in range(BRIEF_ACTIONS + 5):
        await incidents.save_action(an_action(id=f"act_{n}", requested_at=at(n)))
    for tier in (1, 2):
        order = an_order(session=SessionId(f"s{tier}"))
        order = order.model_copy(update={"tier": order.tier.model_copy(update={"tier": tier})})
        await store.session_started(order, WALLED, True, at(tier))
        report = TierReport(summary=f"tier {tier} says")
        await store.session_ended(an_outcome(session=order.session, report=report))

    brief = await store.incident_brief(INCIDENT)
    assert (brief.service, brief.affected, brief.summary) == (alert.service, (worker,), alert.summary)
    assert len(brief.results) == BRIEF_RESULTS
    assert [r.service for r in brief.results[:2]] == [worker, alert.service]
    assert brief.results[1].at == at(99)
    assert [a.id for a in brief.actions] == [f"act_{n}" for n in range(5, BRIEF_ACTIONS + 5)]
    assert [(tier, json.loads(text)["summary"]) for tier, text in brief.reports] == [
        (1, "tier 1 says"),
        (2, "tier 2 says"),
    ]
    assert len(await store.actions_of(INCIDENT)) == BRIEF_ACTIONS + 5


async def test_the_brief_names_the_bait_that_nobody_has_looked_into_yet(pool: Pool, store: SessionStore) -> None:
    incidents = IncidentStore(pool)
    thief, shared = SessionId("s9"), ServiceId("local/worker")
    of_bait = bait_incident_id(thief)
    await incidents.incident_opened(INCIDENT, an_alert(affected=(shared,)), "w", "r", False, True, "", "")
    elsewhere = IncidentId("inc_elsewhere")
    await incidents.incident_opened(elsewhere, an_alert("local/other"), "w2", "r", False, True, "", "")
    assert (await store.incident_brief(INCIDENT)).bait_seen is None
    opened = (of_bait, an_alert(shared), bait_workflow_id(thief), "r", False, True, "bait", "")
    await incidents.incident_opened(*opened)
    assert (await store.incident_brief(INCIDENT)).bait_seen == of_bait
    assert (await store.incident_brief(elsewhere)).bait_seen is None
    await incidents.incident_state(of_bait, IncidentState.CANCELLED, 1, "a page told it to", at(9))
    assert (await store.incident_brief(INCIDENT)).bait_seen is None


async def test_a_brief_of_an_unknown_incident_is_a_fault(store: SessionStore) -> None:
    with pytest.raises(FatalError, match="inc_none is not in the record"):
        await store.incident_brief(IncidentId("inc_none"))


async def test_a_model_request_is_counted_once(pool: Pool) -> None:
    for _ in range(2):
        await ModelCallStore(pool).model_call(a_call())
    assert (await Reads(pool).model_use(NOON)).calls == 1
