"""A session that carried its bait outside: it is not followed by another, and an incident of its own is a person's."""

import asyncio

import pytest
from temporalio.client import WorkflowHandle

from activities.bait import words
from adapters.database.reads import Reads
from domain.ids import SessionId, bait_incident_id, bait_workflow_id
from domain.incident import CloseRequest, EscalationView, IncidentState
from domain.session import SessionOrder, SessionOutcome, SessionStatus
from policy.bait import PIECES
from tests.support.engine_room import Desk, Room
from tests.workflows.test_escalation import eventually, result_of, wait_for_state

pytestmark = [pytest.mark.postgres, pytest.mark.temporal]
SAID = words(f"a request to /<script>alert(1)</script> ({PIECES[1]})")


def caught(desk: Desk) -> SessionOutcome:
    return desk.ended(SessionStatus.STOPPED, SAID).model_copy(update={"bound": "bait"})


async def thief(desk: Desk, order: SessionOrder) -> SessionOutcome:
    return caught(desk)


def own(room: Room, session: SessionId) -> WorkflowHandle[object, object]:
    return room.client.get_workflow_handle(bait_workflow_id(session))


async def test_it_is_an_incident_of_its_own_until_a_person_closes_it(room: Room) -> None:
    room.world.down.add("local/web")
    room.scripts = dict.fromkeys((1, 2, 3), thief)
    handle = await room.escalate(room.alert("local/web"))
    await wait_for_state(handle, IncidentState.NEEDS_PERSON)
    [order] = room.orders  # no other session, at no tier
    incident = bait_incident_id(order.session)
    view = await wait_for_state(own(room, order.session), IncidentState.NEEDS_PERSON)
    assert (view.incident, view.service) == (incident, "local/web")
    assert f"/<script>alert(1)</script> ({PIECES[1]})" in view.summary
    assert "What to do: read the session's log" in view.summary
    row = await Reads(room.pool).incident(incident)
    assert row is not None
    assert (row.trigger, row.requested_by, row.alert["origin"]) == ("alert", "bait", "inc_1")
    [entry] = [r for r in (await Reads(room.pool).audit()).rows if r.action == "incident.opened"]
    assert (entry.target, entry.detail["session"]) == (incident, order.session)
    await eventually(lambda: any(n.incident == incident for n in room.world.told))

    room.world.down.clear()  # the service is well again: that is no answer to a theft
    assert (await result_of(handle)).state == IncidentState.RESOLVED
    assert (await own(room, order.session).query("view", result_type=EscalationView)).state == "needs_person"
    await own(room, order.session).execute_update("close", CloseRequest(actor="anna", reason="a log told it to"))
    assert (await result_of(own(room, order.session))).summary == "closed by anna: a log told it to"


async def test_one_session_has_one_such_incident_however_often_it_is_told(room: Room) -> None:
    room.world.down |= {"local/web", "local/other"}
    room.scripts = dict.fromkeys((1, 2, 3), thief)
    await wait_for_state(await room.escalate(room.alert("local/web")), IncidentState.NEEDS_PERSON)
    first = room.orders[0].session
    await own(room, first).execute_update("close", CloseRequest(actor="anna", reason="known"))
    await result_of(own(room, first))

    async def again(desk: Desk, order: SessionOrder) -> SessionOutcome:
        return caught(desk).model_copy(update={"session": first})

    room.scripts[1] = again
    await wait_for_state(await room.escalate(room.alert("local/other")), IncidentState.NEEDS_PERSON)
    titles = [n.title for n in room.world.told if "carried a credential outside" in n.title]
    assert titles == ["A session that looked at local/web carried a credential outside"]
    rows = await room.pool.rows("open_incidents", {})
    assert bait_incident_id(first) not in {row[0] for row in rows}


async def test_it_is_opened_also_where_a_person_closes_the_first_incident_meanwhile(room: Room) -> None:
    room.world.down.add("local/web")

    async def slow(desk: Desk, order: SessionOrder) -> SessionOutcome:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return caught(desk)  # as the session activity: it looks once more when it is cancelled
        return desk.report()

    room.scripts[1] = slow
    handle = await room.escalate(room.alert("local/web"))
    await eventually(lambda: bool(room.orders))
    await handle.execute_update("close", CloseRequest(actor="anna", reason="I do it"))
    assert (await result_of(handle)).state == IncidentState.CANCELLED
    await wait_for_state(own(room, room.orders[0].session), IncidentState.NEEDS_PERSON)
