"""Old things go, and nothing that is open, running or in force goes with them."""

from datetime import timedelta

import psycopg
import pytest

from adapters.database.budget import BudgetStore
from adapters.database.health import HealthStore
from adapters.database.incidents import IncidentStore
from adapters.database.model_calls import ModelCallStore
from adapters.database.notices import NoticeStore
from adapters.database.output import OutputStore
from adapters.database.pool import Pool
from adapters.database.reads import Reads
from adapters.database.sessions import SessionStore
from adapters.database.upkeep import UpkeepStore
from domain.budget import Reservation
from domain.ids import ActionId, ApprovalId, IncidentId, PermitId, ServiceId, SessionId
from domain.incident import IncidentState
from domain.notice import Delivery
from tests.support.record import (
    APP,
    NOON,
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

LATER = NOON + timedelta(days=90)


@pytest.fixture
def store(pool: Pool) -> UpkeepStore:
    return UpkeepStore(pool)


async def a_story(pool: Pool, name: str, *, closed: bool) -> None:
    """One incident with everything that hangs on it, all at noon."""
    incidents, sessions = IncidentStore(pool), SessionStore(pool)
    incident, session = IncidentId(f"inc_{name}"), SessionId(f"session_{name}")
    await incidents.incident_opened(incident, an_alert(), f"escalation/{name}", "r", False, True, "", "")
    await incidents.timeline(name, an_entry(incident=incident))
    await sessions.session_started(an_order(session=session, incident=incident), WALLED, True, NOON)
    await OutputStore(pool).append_output(session, 1, lines(1, 3))
    await sessions.session_ended(an_outcome(session=session))
    await ModelCallStore(pool).model_call(a_call(id=name, session=session, incident=incident))
    await incidents.save_action(an_action(id=ActionId(f"act_{name}"), incident=incident))
    await incidents.save_approval(an_approval(id=ApprovalId(f"apr_{name}"), incident=incident))
    if closed:
        await incidents.incident_state(incident, IncidentState.RESOLVED, 1, "fixed", at(60))


async def rows_of(url: str) -> dict[str, int]:
    tables = ["incident", "timeline", "session", "session_output", "model_call", "action", "approval"]
    with psycopg.connect(url) as conn:
        counts = [conn.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() for table in tables]
    return {table: row[0] for table, row in zip(tables, counts, strict=True) if row}


async def test_a_closed_incident_goes_with_all_that_hangs_on_it_and_an_open_one_stays(
    pool: Pool, store: UpkeepStore, database_url: str
) -> None:
    await a_story(pool, "closed", closed=True)
    await a_story(pool, "open", closed=False)
    before = await rows_of(database_url)
    assert set(before.values()) == {2}
    assert await store.prune(NOON) == dict.fromkeys(await store.prune(NOON), 0)
    pruned = await store.prune(LATER)
    assert {table: pruned[table] for table in before} == dict.fromkeys(before, 1)
    assert set((await rows_of(database_url)).values()) == {1}
    assert await store.open_incidents() == (("inc_open", "escalation/open"),)


async def test_a_running_session_keeps_its_output(pool: Pool, store: UpkeepStore) -> None:
    session = SessionId("running")
    await SessionStore(pool).session_started(an_order(session=session), WALLED, True, NOON)
    await OutputStore(pool).append_output(session, 1, lines(1, 3))
    await OutputStore(pool).append_output(SessionId("unknown"), 1, lines(1, 3))
    pruned = await store.prune(LATER)
    assert pruned["session_output"] == 1
    assert await OutputStore(pool).last_seq(session, 1) == 3
    assert await store.running_sessions() == (session,)


async def test_what_is_in_force_stays(pool: Pool, store: UpkeepStore) -> None:
    incidents = IncidentStore(pool)
    await incidents.save_ledger_note(APP, "maintenance", at(60), "first", "ada", NOON)
    await incidents.save_ledger_note(APP, "maintenance", LATER + timedelta(days=1), "long", "ada", at(1))
    await incidents.save_permit(a_permit(id=PermitId("per_old")))
    await incidents.save_permit(a_permit(id=PermitId("per_new"), granted_at=LATER, expires_at=LATER))
    pruned = await store.prune(LATER)
    assert (pruned["ledger_note"], pruned["permit"]) == (1, 1)
    assert await HealthStore(pool).hold(ServiceId(APP), LATER) != ""


async def test_old_probes_notices_audit_patrols_and_gone_services_go(pool: Pool, store: UpkeepStore) -> None:
    health = HealthStore(pool)
    await health.save_inventory(an_inventory("app", "db"), NOON)
    await health.save_inventory(an_inventory("app"), at(1))
    await health.save_probes([a_result(), a_result("local/db")], [a_health(), a_health("local/db")], "p")
    await health.patrol_finished("p", NOON, at(1), 2, 0, 0, 0)
    await NoticeStore(pool).save_delivery(a_notice(), Delivery(channel="ch1", delivered=True, message=""), NOON)
    await IncidentStore(pool).audit("k", NOON, "system", "", "x", "", {})
    pruned = await store.prune(LATER)
    names = ("probe_result", "probe_slot", "probe_half_day", "patrol", "notice", "audit", "service")
    assert {name: pruned[name] for name in names} == {
        "probe_result": 2, "probe_slot": 2, "probe_half_day": 2, "patrol": 1, "notice": 1, "audit": 1, "service": 1,
    }  # fmt: skip
    assert [row.id for row in await Reads(pool).services(gone=True)] == [APP]
    assert list(await health.health()) == [APP]


async def test_promises_go_also_where_nobody_ever_said_how_they_ended(pool: Pool, store: UpkeepStore) -> None:
    budgets = BudgetStore(pool)
    lost = Reservation(
        id="lost/1", session=SessionId("lost"), incident=IncidentId("i"), tier=1, usd=1.0, at=NOON, ends_at=at(600)
    )
    young = lost.model_copy(update={"id": "young/1", "ends_at": LATER + timedelta(minutes=1)})
    await budgets.save_reservations([lost, young])
    assert (await store.prune(LATER))["reservation"] == 1
    assert [r.id for r in await budgets.reservations(NOON)] == ["young/1"]
