"""A person who asks for a look waits for one write only; the history is written beside it, complete and in order."""

import asyncio

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle

from tests.support.engine_room import Room

pytestmark = [pytest.mark.postgres, pytest.mark.temporal]


async def scheduled(handle: WorkflowHandle[object, object]) -> list[str]:
    """The names of the activities so far."""
    return [
        event.activity_task_scheduled_event_attributes.activity_type.name
        async for event in handle.fetch_history_events()
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    ]


async def test_the_session_is_wanted_with_the_first_task_of_the_workflow(room: Room) -> None:
    handle = await room.escalate(room.alert(""), prompt="How are things?")
    await asyncio.wait_for(handle.result(), 30)
    before: list[str] = []
    tasks = 0
    async for event in handle.fetch_history_events():
        if event.event_type == EventType.EVENT_TYPE_MARKER_RECORDED:
            before.append(event.marker_recorded_event_attributes.marker_name)
        tasks += event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            name = event.activity_task_scheduled_event_attributes.activity_type.name
            if name == "run_session":
                break
    assert before == ["core_local_activity"], "the incident is in the record"
    assert tasks == 1


async def test_a_record_that_does_not_answer_at_once_is_waited_for(room: Room) -> None:
    async with room.pool.connection() as held:
        await held.execute("LOCK TABLE incident")
        handle = await room.escalate(room.alert(""), prompt="How are things?")
        async with asyncio.timeout(30):
            while not (asked := await scheduled(handle)):
                await asyncio.sleep(0.1)
    assert asked == ["open_incident"]
    await asyncio.wait_for(handle.result(), 30)
    assert room.orders, "and then it goes on"


async def test_what_is_written_beside_the_session_stays_in_order(room: Room) -> None:
    handle = await room.escalate(room.alert(""), prompt="How are things?", start_tier=3)
    await asyncio.wait_for(handle.result(), 30)
    rows = await room.pool.rows("list_timeline", {"incident": "inc_1", "limit": 100})
    assert [row[2] for row in rows][:3] == ["opened", "tier_started", "tier_ended"]


async def test_what_is_known_at_once_is_written_at_once(room: Room) -> None:
    handle = await room.escalate(room.alert(""), prompt="How are things?", start_tier=3)
    await asyncio.wait_for(handle.result(), 30)
    rows = await room.pool.rows("list_timeline", {"incident": "inc_1", "limit": 100})
    assert [row[2] for row in rows][:2] == ["opened", "tier_started"]
    assert (await scheduled(handle)).count("record") == len(rows) - 1
