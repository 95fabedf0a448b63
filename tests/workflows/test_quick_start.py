"""A person who asks for a look waits for one write only; the history is written beside it, complete and in order."""

import asyncio

import pytest
from temporalio.api.enums.v1 import EventType

from tests.support.engine_room import Room

pytestmark = [pytest.mark.postgres, pytest.mark.temporal]


async def test_the_session_is_wanted_as_soon_as_the_incident_is_in_the_record(room: Room) -> None:
    handle = await room.escalate(room.alert(""), prompt="How are things?")
    await asyncio.wait_for(handle.result(), 30)
    before: list[str] = []
    names: dict[int, str] = {}
    async for event in handle.fetch_history_events():
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            names[event.event_id] = event.activity_task_scheduled_event_attributes.activity_type.name
            if names[event.event_id] == "run_session":
                break
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
            before.append(names[event.activity_task_completed_event_attributes.scheduled_event_id])
    assert before == ["open_incident"]


async def test_what_is_written_beside_the_session_stays_in_order(room: Room) -> None:
    handle = await room.escalate(room.alert(""), prompt="How are things?", start_tier=3)
    await asyncio.wait_for(handle.result(), 30)
    rows = await room.pool.rows("list_timeline", {"incident": "inc_1", "limit": 100})
    assert [row[2] for row in rows][:3] == ["opened", "tier_started", "tier_ended"]
