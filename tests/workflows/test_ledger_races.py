"""What the ledger holds while its record is slow: no permit is lost."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime

import pytest
from temporalio.client import Client
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.ledger import LedgerRecordActivities
from domain.action import ActionKind, CooldownClass
from domain.engine import QUERY_JOURNAL, TASK_QUEUE_CONTROL, UPDATE_MAINTENANCE
from domain.ids import PermitId, ServiceId, ledger_workflow_id
from domain.ledger import CooldownRule, Journal, LedgerNote, Permit, PermitOutcome, PermitRequest
from tests.support.engine_room import DirectLedger
from tests.support.temporal import dev_server
from tests.support.world import World
from worker.registry import PASSTHROUGH
from workflows.ledger import LedgerWorkflow

pytestmark = pytest.mark.temporal
WEB = ServiceId("local/web")


@dataclass
class SlowRecord:
    """A record whose writes wait until `open` is set."""

    open: asyncio.Event = field(default_factory=asyncio.Event)
    writes: list[str] = field(default_factory=list[str])

    async def permits(self, service: ServiceId, since: datetime) -> tuple[Permit, ...]:
        del service, since
        return ()

    async def ledger_notes(self, service: ServiceId) -> dict[str, tuple[datetime | None, str, datetime]]:
        del service
        return {}

    async def save_permit(self, permit: Permit) -> None:
        self.writes.append(permit.id)

    async def save_ledger_note(self, *args: object) -> None:
        del args
        self.writes.append("note")
        await self.open.wait()

    async def audit(self, *args: object) -> None:
        del args


@pytest.fixture
async def ledger() -> AsyncIterator[tuple[Client, SlowRecord]]:
    record = SlowRecord()
    activities = LedgerRecordActivities(record, World([]))  # type: ignore[arg-type]
    runner = SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules(*PASSTHROUGH))
    async with (
        dev_server() as (client, _),
        Worker(
            client,
            task_queue=TASK_QUEUE_CONTROL,
            workflows=[LedgerWorkflow],
            activities=[activities.ledger_history, activities.write_permit, activities.write_note],
            workflow_runner=runner,
        ),
    ):
        yield client, record


def request(name: str) -> PermitRequest:
    return PermitRequest(
        id=PermitId(name),
        service=WEB,
        kind=ActionKind.RESTART,
        cooldown_class=CooldownClass.RESTART,
        rule=CooldownRule(limit=1, window_s=3600),
    )


async def written(record: SlowRecord, what: str, times: int = 1) -> None:
    for _ in range(600):
        if record.writes.count(what) >= times:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{what} was written {record.writes.count(what)} times")


async def test_a_permit_granted_while_a_persons_note_is_written_is_kept(ledger: tuple[Client, SlowRecord]) -> None:
    client, record = ledger
    direct = DirectLedger(client)
    await direct.confirm(WEB, PermitOutcome(id=PermitId("per_none")))  # starts the entity
    handle = client.get_workflow_handle(ledger_workflow_id(WEB))
    note = LedgerNote(reason="looking", actor="alice")
    noting = asyncio.create_task(handle.execute_update(UPDATE_MAINTENANCE, note, id="note"))
    await written(record, "note")
    assert (await direct.acquire(request("per_1"))).granted
    record.open.set()
    await noting
    assert not (await direct.acquire(request("per_2"))).granted
    journal = await handle.query(QUERY_JOURNAL, result_type=Journal)
    assert [p.id for p in journal.permits] == ["per_1"]
