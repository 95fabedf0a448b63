"""Alerts, patrols and people at awkward moments: nothing is lost, nothing ends too early, nothing runs for ever."""

import asyncio

import pytest

from domain.action import ActionKind
from domain.engine import ESCALATION, PATROL, TASK_QUEUE_CONTROL
from domain.ids import IncidentId, ServiceId
from domain.incident import (
    Alert,
    ApprovalState,
    EscalationInput,
    EscalationView,
    IncidentState,
    PatrolInput,
    PatrolResult,
    Trigger,
)
from domain.session import SessionOrder, SessionOutcome
from tests.support.engine_room import QUICK, Desk, Room
from tests.workflows.test_escalation import acts, eventually, parks_on_approval, result_of, wait_for_state

pytestmark = [pytest.mark.postgres, pytest.mark.temporal]


async def test_alerts_while_a_fix_is_watched_do_not_bring_the_promised_looks_forward(room: Room) -> None:
    room.world.down.add("local/web")
    room.scripts[2] = acts("restart", "web")
    handle = await room.escalate(room.alert("local/web"), QUICK.model_copy(update={"rechecks_s": (1.0, 60.0)}))
    await wait_for_state(handle, IncidentState.WATCHING)
    for _ in range(4):
        await room.escalate(room.alert("local/web"))
        await asyncio.sleep(0.4)
    view = await handle.query("view", result_type=EscalationView)
    assert view.state == IncidentState.WATCHING
    assert view.alerts_joined == 4


async def test_an_alert_for_a_fix_that_did_not_last_reopens_at_once(room: Room) -> None:
    room.world.down.add("local/web")
    room.scripts[2] = acts("restart", "web")
    room.scripts[3] = acts("recreate", "web")
    handle = await room.escalate(room.alert("local/web"), QUICK.model_copy(update={"rechecks_s": (3600.0,)}))
    await wait_for_state(handle, IncidentState.WATCHING)
    room.world.down.add("local/web")
    await room.escalate(room.alert("local/web"))
    await eventually(lambda: [a.kind for a in room.world.performed] == ["restart", "recreate"])


async def test_old_news_of_health_does_not_withdraw_a_question_to_a_person(room: Room) -> None:
    room.world.services[1] = room.world.services[1].model_copy(update={"approval": (ActionKind.RESTART,)})
    await room.save_inventory()
    room.world.down.add("local/web")
    seen = asyncio.Event()

    async def slow(desk: Desk, order: SessionOrder) -> SessionOutcome:
        del order
        await seen.wait()
        return desk.report()

    room.scripts = {1: slow, 2: parks_on_approval}
    handle = await room.escalate(room.alert("local/web"))
    await eventually(lambda: bool(room.orders))
    await handle.signal("observed", {"service": "local/web", "healthy": True, "at": room.world.now().isoformat()})
    seen.set()
    await wait_for_state(handle, IncidentState.WAITING)
    await asyncio.sleep(1.0)
    view = await handle.query("view", result_type=EscalationView)
    assert [a.state for a in view.approvals] == [ApprovalState.PENDING]
    room.world.down.clear()
    await handle.signal("observed", {"service": "local/web", "healthy": True, "at": room.world.now().isoformat()})
    assert (await result_of(handle)).state == IncidentState.SELF_HEALED
    view = await handle.query("view", result_type=EscalationView)
    assert [a.state for a in view.approvals] == [ApprovalState.VOID]


async def test_a_service_that_left_the_inventory_ends_its_incident_without_a_session(room: Room) -> None:
    room.world.down.add("local/web")
    room.world.services = [s for s in room.world.services if s.id != "local/web"]
    await room.save_inventory()
    result = await result_of(await room.escalate(room.alert("local/web")))
    assert (result.state, room.orders) == (IncidentState.INTERRUPTED, [])
    assert "inventory" in result.summary
    await eventually(lambda: bool(room.world.told))


async def test_an_affected_service_that_left_the_inventory_holds_the_proof_up_no_longer(room: Room) -> None:
    room.world.down.add("local/database")
    room.scripts[2] = acts("restart", "database")
    result = await result_of(await room.escalate(room.alert("local/database", "local/gone")))
    assert result.state == IncidentState.RESOLVED


async def test_a_long_hand_over_goes_on_in_a_fresh_run_and_still_sees_the_recovery(room: Room) -> None:
    room.world.down.add("local/web")
    room.world.heals = lambda _: False
    room.scripts[2] = acts("restart", "web")
    handle = await room.escalate(room.alert("local/web"), QUICK.model_copy(update={"history_limit": 1}))
    first_run = handle.first_execution_run_id
    current = room.client.get_workflow_handle(handle.id)
    for _ in range(400):
        if (await current.describe()).run_id != first_run:
            break
        await asyncio.sleep(0.05)
    view = await wait_for_state(current, IncidentState.NEEDS_PERSON)
    assert [a.kind for a in view.actions] == ["restart"]
    await room.escalate(room.alert("local/web"))
    room.world.down.clear()
    assert (await result_of(current)).state == IncidentState.RESOLVED
    assert len([n for n in room.world.told if n.kind == "needs_person"]) == 1


async def test_a_service_that_fails_again_after_its_incident_closed_is_opened_by_the_next_patrol(room: Room) -> None:
    assert (await result_of(await room.escalate(room.alert("local/web")))).state == IncidentState.SELF_HEALED
    room.world.down.add("local/web")
    order = PatrolInput(confirm_after_s=0.1, policy=QUICK, dry_run=True)
    result = await room.client.execute_workflow(
        PATROL, order, id="patrol-1", task_queue=TASK_QUEUE_CONTROL, result_type=PatrolResult
    )
    assert result.opened == ("local/web",)


async def test_a_scheduled_look_names_its_own_incident_and_a_person_hears_of_its_doubts(room: Room) -> None:
    async def doubts(desk: Desk, order: SessionOrder) -> SessionOutcome:
        del order
        outcome = desk.report("the newest backup is nine days old")
        assert outcome.report is not None
        return outcome

    room.scripts[1] = doubts
    policy = QUICK.model_copy(update={"tiers": QUICK.tiers[:1]})
    alert = Alert(service=ServiceId(""), trigger=Trigger.LOOK, summary="regular look", at=room.world.now())
    start = EscalationInput(incident=IncidentId(""), alert=alert, policy=policy, prompt="look", dry_run=True)
    seen: set[str] = set()
    for n in range(2):
        handle = await room.client.start_workflow(
            ESCALATION, start, id=f"escalation/look-{n}", task_queue=TASK_QUEUE_CONTROL
        )
        result = await result_of(handle)
        seen.add(result.incident)
        assert result.state == IncidentState.REPORTED
    assert len(seen) == 2
    await eventually(lambda: sum("nine days" in n.body for n in room.world.told) == 2)
