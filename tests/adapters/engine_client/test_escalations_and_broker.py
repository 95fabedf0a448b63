"""Alerts and wishes of sessions, carried to a real server."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker

from adapters.engine.broker import AGAIN, OVER, TemporalBroker
from adapters.engine.client import TemporalEscalations
from config.clock import SystemClock
from config.ports import free_ports
from config.settings import Settings
from domain.action import ActionRequest
from domain.engine import TASK_QUEUE_CONTROL
from domain.errors import EngineUnavailableError
from domain.ids import ServiceId, SessionId
from domain.incident import Alert, Trigger
from tests.support.entity import CountingEscalation
from tests.support.temporal import dev_server

pytestmark = pytest.mark.asyncio(loop_scope="module")
AT = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="client")
async def _client() -> AsyncIterator[Client]:
    async with (
        dev_server() as (client, _),
        Worker(client, task_queue=TASK_QUEUE_CONTROL, workflows=[CountingEscalation]),
    ):
        yield client


def escalations(client: Client) -> TemporalEscalations:
    return TemporalEscalations(client, Settings().escalation_policy, lambda: True, SystemClock())


def alert(service: str, at: datetime = AT) -> Alert:
    return Alert(service=ServiceId(service), at=at, summary="it does not answer")


def wish(tool_use_id: str = "", **params: Any) -> ActionRequest:
    return ActionRequest(
        session=SessionId("s1"),
        tool_use_id=tool_use_id or uuid.uuid4().hex,
        kind="restart",
        target="local/web",
        params=params,
        reason="hung",
    )


async def open_one(client: Client) -> WorkflowHandle[Any, Any]:
    opened = await escalations(client).open(alert(f"local/{uuid.uuid4().hex[:8]}"))
    return client.get_workflow_handle(opened.workflow_id)


async def test_an_alert_opens_an_incident_its_repetition_is_the_same_and_another_joins(client: Client):
    port = escalations(client)
    first = alert("local/db")
    assert await port.alert(first) is True
    assert await port.alert(first) is True  # an activity that lost the answer tries again
    assert await port.alert(alert("local/db", AT + timedelta(minutes=1))) is False
    joined = await port.open(alert("local/db", AT + timedelta(minutes=2)))
    handle = client.get_workflow_handle("escalation/local/db")
    begun = await handle.query(CountingEscalation.start)
    assert begun is not None
    assert (joined.new, joined.incident) == (False, begun.incident)
    assert begun.alert == first
    assert begun.dry_run is True
    assert (await handle.query(CountingEscalation.story))["alerts"] == 4


async def test_twenty_alerts_at_once_open_one_incident(client: Client):
    port = escalations(client)
    news = await asyncio.gather(*(port.alert(alert("local/storm", AT + timedelta(seconds=n))) for n in range(20)))
    assert sum(news) == 1
    story = await client.get_workflow_handle("escalation/local/storm").query(CountingEscalation.story)
    assert story["alerts"] == 20


async def test_a_look_without_a_service_is_an_incident_of_its_own(client: Client):
    port = escalations(client)
    looks = [
        await port.open(
            Alert(service=ServiceId(""), at=AT + timedelta(seconds=n), trigger=Trigger.MANUAL),
            prompt="look around",
            start_tier=2,
            requested_by="me",
        )
        for n in range(2)
    ]
    assert looks[0].new
    assert looks[1].new
    assert looks[0].workflow_id != looks[1].workflow_id
    begun = await client.get_workflow_handle(looks[0].workflow_id).query(CountingEscalation.start)
    assert begun is not None
    assert (begun.prompt, begun.start_tier, begun.requested_by) == ("look around", 2, "me")


async def test_what_a_patrol_saw_reaches_an_open_escalation_and_disturbs_nobody_else(client: Client):
    port = escalations(client)
    await port.observed(ServiceId("local/nothing"), healthy=True)
    await port.alert(alert("local/seen"))
    await port.observed(ServiceId("local/seen"), healthy=True)
    assert (await client.get_workflow_handle("escalation/local/seen").query(CountingEscalation.story))["healthy"] == 1


async def test_the_same_tool_call_acts_once_however_often_it_is_asked(client: Client):
    handle = await open_one(client)
    broker = TemporalBroker(client)
    request = wish(seconds=0.1)
    answers = await asyncio.gather(*(broker.act(handle.id, request) for _ in range(5)))
    assert {a.message for a in answers} == {"done: restart local/web"}
    assert (await handle.query(CountingEscalation.story))["effects"] == 1


async def test_an_approval_changes_the_answer_to_the_same_tool_call(client: Client):
    handle = await open_one(client)
    broker = TemporalBroker(client)
    request = wish(ask=True)
    assert (await broker.consider(handle.id, request)).decision == "defer"
    assert (await broker.act(handle.id, request)).decision == "deny"
    await handle.signal(CountingEscalation.approve)
    assert (await broker.consider(handle.id, request)).decision == "allow"
    assert (await broker.act(handle.id, request)).message == "done: restart local/web"


async def test_many_wishes_at_once_do_not_drown_the_escalation(client: Client):
    handle = await open_one(client)
    broker = TemporalBroker(client)
    both = [f(handle.id, wish()) for _ in range(30) for f in (broker.consider, broker.act)]
    answers = await asyncio.gather(*both)
    assert {a.decision for a in answers} == {"allow"}


async def test_an_incident_that_is_over_denies_in_words(client: Client):
    handle = await open_one(client)
    await handle.signal(CountingEscalation.end)
    await handle.result()
    broker = TemporalBroker(client)
    assert (await broker.consider(handle.id, wish())).message == OVER
    assert (await broker.act(handle.id, wish())).message == OVER
    assert (await broker.act("escalation/never/was", wish())).decision == "deny"


async def test_a_broken_desk_denies_in_words(client: Client):
    handle = await open_one(client)
    answer = await TemporalBroker(client).act(handle.id, wish(fail=True))
    assert answer.decision == "deny"
    assert "the desk is broken" in answer.message


async def test_a_server_that_is_away_is_a_denial_with_words():
    away = await Client.connect(f"127.0.0.1:{free_ports(1)[0]}", data_converter=pydantic_data_converter, lazy=True)
    broker = TemporalBroker(away, away_patience_s=0.5)
    answer = await broker.consider("escalation/local/web", wish())
    assert (answer.decision, answer.message) == ("deny", AGAIN)
    assert (await broker.act("escalation/local/web", wish())).decision == "deny"

    async def never() -> Client:
        raise EngineUnavailableError("not yet")

    assert (await TemporalBroker(never, away_patience_s=0.3).consider("x", wish())).decision == "deny"


async def test_an_action_survives_a_server_that_is_killed_while_it_runs(tmp_path: Path):
    database, port = tmp_path / "temporal.db", free_ports(1)[0]
    async with AsyncExitStack() as first:
        client, _ = await first.enter_async_context(dev_server(database, port))
        worker = Worker(client, task_queue=TASK_QUEUE_CONTROL, workflows=[CountingEscalation])
        async with worker:
            handle = await open_one(client)
            broker = TemporalBroker(client)
            request = wish(seconds=2)
            asked = asyncio.create_task(broker.act(handle.id, request))
            while (await handle.query(CountingEscalation.story))["effects"] == 0:
                await asyncio.sleep(0.05)
            waiting = asyncio.create_task(broker.consider(handle.id, wish()))
            await first.aclose()  # SIGKILL
            await asyncio.sleep(0.5)
            async with dev_server(database, port):
                answers = await asyncio.wait_for(asyncio.gather(asked, waiting), 60)
                assert [a.decision for a in answers] == ["allow", "allow"]
                assert (await handle.query(CountingEscalation.story))["effects"] == 1
