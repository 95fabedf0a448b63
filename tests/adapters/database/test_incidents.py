"""Writes that come twice, late, or with characters that Postgres cannot hold."""

import psycopg
import pytest

from adapters.database.incidents import IncidentStore
from adapters.database.pool import Pool
from adapters.database.reads import Reads
from domain.action import Action, ActionState
from domain.errors import FatalError
from domain.ids import ActionId, IncidentId
from domain.incident import ApprovalState, IncidentState
from domain.ledger import PermitState
from tests.support.record import APP, INCIDENT, NOON, a_permit, an_action, an_alert, an_approval, an_entry, at


@pytest.fixture
def store(pool: Pool) -> IncidentStore:
    return IncidentStore(pool)


async def opened(store: IncidentStore, seconds: float = 0) -> None:
    await store.incident_opened(
        INCIDENT, an_alert(seconds=seconds), "escalation/local/app", "r", False, True, "ada", ""
    )


async def state_of(pool: Pool) -> tuple[str, int, str]:
    found = await Reads(pool).incident(INCIDENT)
    assert found is not None
    return found.state, found.tier, found.summary


async def test_opening_twice_is_one_incident_and_takes_no_state_back(pool: Pool, store: IncidentStore) -> None:
    await opened(store)
    await store.incident_state(INCIDENT, IncidentState.VERIFYING, 2, "restarted", at(60))
    await opened(store)
    assert await state_of(pool) == ("verifying", 2, "restarted")


async def test_a_late_repetition_of_an_older_state_changes_nothing(pool: Pool, store: IncidentStore) -> None:
    await opened(store)
    await store.incident_state(INCIDENT, IncidentState.OPEN, 1, "tier 1 looks", at(10))
    await store.incident_state(INCIDENT, IncidentState.RESOLVED, 2, "fixed", at(60))
    await store.incident_state(INCIDENT, IncidentState.OPEN, 1, "tier 1 looks", at(10))
    await store.incident_state(INCIDENT, IncidentState.VERIFYING, 2, "same moment, not the end", at(60))
    assert await state_of(pool) == ("resolved", 2, "fixed")


async def test_states_of_the_same_moment_follow_the_order_of_writing(pool: Pool, store: IncidentStore) -> None:
    await opened(store)
    await store.incident_state(INCIDENT, IncidentState.OPEN, 1, "one", at(10))
    await store.incident_state(INCIDENT, IncidentState.WAITING, 2, "two", at(10))
    assert await state_of(pool) == ("waiting", 2, "two")


async def test_a_state_counts_although_the_noticing_machines_clock_was_ahead(pool: Pool, store: IncidentStore) -> None:
    await opened(store, seconds=5)
    await store.incident_state(INCIDENT, IncidentState.VERIFYING, 2, "restarted", at(1))
    assert (await state_of(pool))[0] == "verifying"
    await store.incident_state(INCIDENT, IncidentState.RESOLVED, 2, "fixed", at(3))
    assert (await state_of(pool))[0] == "resolved"
    await store.incident_state(INCIDENT, IncidentState.VERIFYING, 2, "restarted", at(1))
    assert (await state_of(pool))[0] == "resolved"


async def test_a_reopened_incident_is_open_again(pool: Pool, store: IncidentStore) -> None:
    await opened(store)
    await store.incident_state(INCIDENT, IncidentState.RESOLVED, 2, "fixed", at(60))
    await store.incident_state(INCIDENT, IncidentState.OPEN, 1, "fails again", at(120))
    found = await Reads(pool).incident(INCIDENT)
    assert found is not None
    assert (found.state, found.tier, found.closed_at) == ("open", 2, None)


async def test_a_state_of_an_unknown_incident_is_a_fault(store: IncidentStore) -> None:
    with pytest.raises(FatalError, match="inc_none is not in the record"):
        await store.incident_state(IncidentId("inc_none"), IncidentState.OPEN, 1, "", NOON)


STEPS = [
    ActionState.REQUESTED,
    ActionState.PERMITTED,
    ActionState.PERFORMING,
    ActionState.UNKNOWN,
    ActionState.DONE,
]


@pytest.mark.parametrize("late", STEPS[:-1])
async def test_a_late_state_of_an_action_never_hides_a_newer_one(store: IncidentStore, late: ActionState) -> None:
    for state in STEPS:
        await store.save_action(an_action(state=state))
    await store.save_action(an_action(state=late, message="late"))
    found = await store.find_action(ActionId("act_1"))
    assert found is not None
    assert (found.state, found.message) == (ActionState.DONE, "")


async def test_the_first_end_of_an_action_is_its_end(store: IncidentStore) -> None:
    await store.save_action(an_action(state=ActionState.FAILED, message="exit 1"))
    await store.save_action(an_action(state=ActionState.DONE))
    await store.save_action(an_action(state=ActionState.FAILED, message="exit 1, now with the state after"))
    found = await store.find_action(ActionId("act_1"))
    assert found is not None
    assert (found.state, found.message) == (ActionState.FAILED, "exit 1, now with the state after")


async def test_an_approved_action_goes_on_from_waiting(store: IncidentStore) -> None:
    for state in (ActionState.PERMITTED, ActionState.WAITING, ActionState.PERMITTED, ActionState.PERFORMING):
        await store.save_action(an_action(state=state))
        found = await store.find_action(ActionId("act_1"))
        assert found is not None
        assert found.state == state


async def test_a_used_slot_stays_used_whatever_arrives_late(store: IncidentStore) -> None:
    await store.save_permit(a_permit())
    await store.save_permit(a_permit(state=PermitState.CONFIRMED, outcome="done"))
    for late in (PermitState.RESERVED, PermitState.RELEASED, PermitState.EXPIRED):
        await store.save_permit(a_permit(state=late))
    assert await store.permits(APP, NOON) == (a_permit(state=PermitState.CONFIRMED, outcome="done"),)


async def test_permits_are_read_from_a_moment_on_oldest_first(store: IncidentStore) -> None:
    for n in (3, 1, 2):
        await store.save_permit(a_permit(id=f"per_{n}", granted_at=at(n)))
    await store.save_permit(a_permit(id="per_other", service="local/db"))
    assert [p.id for p in await store.permits(APP, at(2))] == ["per_2", "per_3"]


async def test_the_first_decision_of_an_approval_stands(pool: Pool, store: IncidentStore) -> None:
    decided = {"decided_at": at(60), "decided_by": "ada"}
    await store.save_approval(an_approval())
    await store.save_approval(an_approval(state=ApprovalState.DENIED, **decided))
    await store.save_approval(an_approval(state=ApprovalState.APPROVED, **(decided | {"decided_by": "bob"})))
    await store.save_approval(an_approval())
    found = await Reads(pool).approval("apr_1")
    assert found is not None
    assert (found.state, found.decided_by) == (ApprovalState.DENIED, "ada")
    assert await Reads(pool).approvals_pending() == ()


async def test_an_approval_that_ran_out_needs_nobody_to_decide(pool: Pool, store: IncidentStore) -> None:
    await store.save_approval(an_approval())
    await store.save_approval(an_approval(state=ApprovalState.EXPIRED))
    assert await Reads(pool).approvals_pending() == ()


async def test_the_newest_note_of_each_kind_is_in_force(store: IncidentStore) -> None:
    for _ in range(2):
        await store.save_ledger_note(APP, "maintenance", at(3600), "upgrade", "ada", at(0))
        await store.save_ledger_note(APP, "maintenance", None, "done early", "ada", at(60))
        await store.save_ledger_note(APP, "reset", None, "false alarm", "bob", at(30))
    assert await store.ledger_notes(APP) == {
        "maintenance": (None, "done early", at(60)),
        "reset": (None, "false alarm", at(30)),
    }


async def test_timeline_and_audit_entries_are_written_once_per_key(pool: Pool, store: IncidentStore) -> None:
    for _ in range(3):
        await store.timeline("k1", an_entry())
        await store.audit("k1", NOON, "user", "ada", "approve", APP, {"digest": "x"})
    reads = Reads(pool)
    assert len(await reads.timeline(INCIDENT)) == 1
    assert len((await reads.audit()).rows) == 1


async def test_text_that_postgres_cannot_hold_is_kept_readable(pool: Pool, store: IncidentStore) -> None:
    odd = "nul \0 surrogate \ud800 emoji 😀"
    fine = "nul \u2400 surrogate \ufffd emoji 😀"
    await store.timeline(odd, an_entry(odd, detail={odd: [odd, float("nan")]}))
    await store.save_action(an_action(message=odd, params={"text": "nul \0"}))
    (entry,) = await Reads(pool).timeline(INCIDENT)
    assert (entry.key, entry.text, entry.detail) == (fine, fine, {fine: [fine, "nan"]})
    found = await store.find_action(ActionId("act_1"))
    assert found is not None
    assert (found.message, found.params) == (fine, {"text": "nul \u2400"})


async def test_an_action_is_searchable_by_what_is_in_its_columns(database_url: str, store: IncidentStore) -> None:
    action: Action = an_action(state=ActionState.DRY_RUN, finished_at=at(1))
    await store.save_action(action)
    with psycopg.connect(database_url) as conn:
        row = conn.execute("SELECT kind, target, digest, state, tier FROM action").fetchone()
    assert row == ("restart", APP, action.digest, "dry_run", 2)
