"""Runs that are under way must survive an upgrade: recorded histories are replayed by today's code.

When one of these tests fails, a change altered the commands of a workflow. Either put the change behind
`workflow.patched("name")` (see workflows/patches.py), or, where no such workflow can be running any more,
record the stories anew: `TIERCEL_TEST_RECORD=1 ./dev test tests/workflows/test_histories.py`.
"""

import asyncio
import json
import os
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from adapters.engine.budget import TemporalBudget
from domain.action import ActionKind, CooldownClass
from domain.budget import Account, BudgetNote, BudgetRequest
from domain.engine import BAIT, PATROL, TASK_QUEUE_CONTROL
from domain.ids import (
    BUDGET_WORKFLOW_ID,
    IncidentId,
    PermitId,
    ServiceId,
    SessionId,
    bait_workflow_id,
    ledger_workflow_id,
)
from domain.incident import BaitSeen, CloseRequest, Decision, IncidentState, PatrolInput
from domain.ledger import CooldownRule, PermitOutcome, PermitRequest
from tests.support.engine_room import QUICK, DirectLedger, Room
from tests.support.fingerprints import HISTORIES, fingerprint, load, recorded
from tests.workflows.test_escalation import acts, wait_for_state
from worker.registry import PASSTHROUGH, WORKFLOWS

pytestmark = [pytest.mark.postgres, pytest.mark.temporal]
STORIES = ("budget", "escalation_fixed", "escalation_approved", "escalation_to_a_person", "bait", "ledger", "patrol")


def replayer() -> Replayer:
    runner = SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules(*PASSTHROUGH))
    return Replayer(workflows=list(WORKFLOWS), data_converter=pydantic_data_converter, workflow_runner=runner)


def test_there_is_a_history_for_every_story() -> None:
    assert {p.stem for p in recorded()} == set(STORIES)


@pytest.mark.parametrize("path", recorded(), ids=lambda p: p.stem)
async def test_a_recorded_run_replays(path: Path) -> None:
    workflow_id = load(path)["events"][0]["workflowExecutionStartedEventAttributes"][
        "workflowId"
    ]  # session ids derive from it
    await replayer().replay_workflow(WorkflowHistory.from_json(workflow_id, path.read_text(encoding="utf-8")))


def test_the_committed_fingerprints_are_those_of_the_histories() -> None:
    committed = json.loads((HISTORIES / "fingerprints.txt").read_text(encoding="utf-8"))
    assert {p.stem: fingerprint(load(p)) for p in recorded()} == committed, __doc__


@pytest.mark.optional  # in CI too: it would replace what the other tests compare with
@pytest.mark.skipif(
    not os.environ.get("TIERCEL_TEST_RECORD"), reason="records the stories anew only when it is asked to"
)
async def test_record_the_stories(room: Room) -> None:
    await _fixed(room)
    await _approved(room)
    await _to_a_person(room)
    await _bait(room)
    await _budget(room)
    await _ledger(room)
    await _patrol(room)
    prints = {p.stem: fingerprint(load(p)) for p in recorded()}
    (HISTORIES / "fingerprints.txt").write_text(json.dumps(prints, indent=1) + "\n", encoding="utf-8")


async def _save(room: Room, workflow_id: str, story: str) -> None:
    history = await room.client.get_workflow_handle(workflow_id).fetch_history()
    (HISTORIES / f"{story}.json").write_text(
        json.dumps(json.loads(history.to_json()), indent=1) + "\n", encoding="utf-8"
    )


async def _fixed(room: Room) -> None:
    room.world.down.add("local/web")
    room.scripts[2] = acts("restart", "web")
    await (await room.escalate(room.alert("local/web"))).result()
    await _save(room, "escalation/local/web", "escalation_fixed")


async def _approved(room: Room) -> None:
    room.world.services[0] = room.world.services[0].model_copy(update={"approval": (ActionKind.RESTART,)})
    await room.save_inventory()
    room.world.down.add("local/database")

    async def script(desk, order):  # type: ignore[no-untyped-def]
        request = desk.request("restart", "database", "toolu_approval")
        if (await desk.consider(request)).decision == "defer":
            return desk.parked(request)
        await desk.act(request)
        return desk.report(escalate=False)

    room.scripts[2] = script
    handle = await room.escalate(room.alert("local/database", "local/web"))
    view = await wait_for_state(handle, IncidentState.WAITING)
    answer = Decision(approval=view.approvals[0].id, digest=view.approvals[0].digest, approve=True, actor="alice")
    await handle.execute_update("decide", answer)
    await handle.result()
    await _save(room, "escalation/local/database", "escalation_approved")


async def _to_a_person(room: Room) -> None:
    room.world.down.add("local/other")
    room.world.heals = lambda _: False
    room.scripts[2] = acts("restart", "other")
    handle = await room.escalate(room.alert("local/other"))
    await wait_for_state(handle, IncidentState.NEEDS_PERSON)
    room.world.down.clear()
    await asyncio.wait_for(handle.result(), 30)
    await _save(room, "escalation/local/other", "escalation_to_a_person")


async def _bait(room: Room) -> None:
    seen = BaitSeen(
        session=SessionId("ses_1"),
        incident=IncidentId("inc_1"),
        service=ServiceId("local/web"),
        tier=1,
        message="seen in a request to /gate",
        dry_run=False,
    )
    workflow_id = bait_workflow_id(seen.session)
    handle = await room.client.start_workflow(BAIT, seen, id=workflow_id, task_queue=TASK_QUEUE_CONTROL)
    await wait_for_state(handle, IncidentState.NEEDS_PERSON)
    await handle.execute_update("close", CloseRequest(actor="anna", reason="known"))
    await handle.result()
    await _save(room, workflow_id, "bait")


async def _budget(room: Room) -> None:
    await room.client.get_workflow_handle(BUDGET_WORKFLOW_ID).terminate()  # the stories before took money too
    budget, incident = TemporalBudget(room.client, room.slots), IncidentId("inc_1")
    for name in ("a", "b"):
        wish = BudgetRequest(
            id=f"{name}/1", session=SessionId(name), incident=incident, tier=1, bound_usd=1, lasts_s=0.5
        )
        await budget.reserve(wish)
    await budget.settle("a/1")
    await budget.note(BudgetNote(paused=True, reason="on holiday", actor="alice"))
    await budget.reserve(wish.model_copy(update={"id": "c/1"}))
    handle = room.client.get_workflow_handle(BUDGET_WORKFLOW_ID)
    while any(r.state == "reserved" for r in (await handle.query("account", result_type=Account)).reservations):
        await asyncio.sleep(0.1)
    await budget.note(BudgetNote(paused=False, reason="back", actor="alice"))
    await _save(room, BUDGET_WORKFLOW_ID, "budget")


async def _ledger(room: Room) -> None:
    ledger, service = DirectLedger(room.client), ServiceId("local/worker")
    for n in range(3):
        rule = CooldownRule(limit=2, window_s=60)
        await ledger.acquire(
            PermitRequest(
                id=PermitId(f"per_{n}"),
                service=service,
                kind=ActionKind.RESTART,
                cooldown_class=CooldownClass.RESTART,
                rule=rule,
            )
        )
    await ledger.confirm(service, PermitOutcome(id=PermitId("per_0"), outcome="done"))
    await ledger.release(service, PermitOutcome(id=PermitId("per_1"), outcome="nothing was done"))
    await _save(room, ledger_workflow_id(service), "ledger")


async def _patrol(room: Room) -> None:
    room.world.down.add("local/worker")
    room.world.heals = lambda _: True
    room.scripts[2] = acts("restart", "worker")
    order = PatrolInput(confirm_after_s=0.1, policy=QUICK, dry_run=False)
    await room.client.execute_workflow(PATROL, order, id="patrol-1", task_queue=TASK_QUEUE_CONTROL)
    await room.client.get_workflow_handle("escalation/local/worker").result()
    await _save(room, "patrol-1", "patrol")
