"""A worker with real workflows, real activities and the real record, in a simulated world with scripted sessions."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from temporalio import activity
from temporalio.client import Client, WithStartWorkflowOperation, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.actions import ActionActivities
from activities.budget import BudgetRecordActivities, SessionMoney
from activities.ledger import LedgerRecordActivities, PermitActivities
from activities.notify import NoticeActivities
from activities.patrol import PatrolActivities
from activities.probes import ProbeActivities
from activities.records import RecordActivities
from activities.upkeep import UpkeepActivities
from adapters.database.budget import BudgetStore
from adapters.database.health import HealthStore
from adapters.database.incidents import IncidentStore
from adapters.database.links import LinkStore
from adapters.database.model_calls import ModelCallStore
from adapters.database.notices import NoticeStore
from adapters.database.pool import Pool
from adapters.database.reads import Reads
from adapters.database.upkeep import UpkeepStore
from adapters.engine.budget import TemporalBudget
from adapters.engine.slots import UpdateSlots
from domain.action import Action, ActionAnswer, ActionRequest
from domain.budget import BudgetLimits
from domain.engine import (
    ESCALATION,
    LEDGER,
    TASK_QUEUE_CONTROL,
    TASK_QUEUE_PROBES,
    TASK_QUEUE_SESSIONS,
    UPDATE_ACQUIRE,
    UPDATE_ACT,
    UPDATE_CONFIRM,
    UPDATE_CONSIDER,
    UPDATE_RELEASE,
)
from domain.ids import IncidentId, ServiceId, escalation_workflow_id, ledger_workflow_id
from domain.incident import Alert, Approval, EscalationInput, EscalationPolicy, Observed
from domain.ledger import LedgerStart, PermitAnswer, PermitOutcome, PermitRequest
from domain.links import Addresses
from domain.ports import Notifier, Prober
from domain.session import Bound, Deferred, SessionOrder, SessionOutcome, SessionStatus, TierReport, TierSettings
from tests.support.world import World
from worker.registry import PASSTHROUGH, WORKFLOWS

TIERS = tuple(
    TierSettings(tier=t, name=n, model=f"m{t}", timeout_s=60, max_turns=5, budget_usd=1)
    for t, n in ((1, "observe"), (2, "investigate"), (3, "remediate"))
)
QUICK = EscalationPolicy(
    tiers=TIERS,
    settle_s=0.1,
    verify_window_s=0.3,
    verify_interval_s=0.1,
    verify_timeout_s=0.6,
    rechecks_s=(0.3, 0.6),
    approval_timeout_s=30,
    handover_poll_s=0.3,
    handover_watch_s=60,
)

NOWHERE = Addresses(people_url="http://127.0.0.1:8080")
UNLIMITED = BudgetLimits()
Script = Callable[["Desk", SessionOrder], Awaitable[SessionOutcome]]


class DirectLedger:
    """Implements Ledger with one update per call."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def _update(self, service: ServiceId, name: str, arg: object, result: type) -> object:
        start = WithStartWorkflowOperation(
            LEDGER,
            LedgerStart(service=service),
            id=ledger_workflow_id(service),
            task_queue=TASK_QUEUE_CONTROL,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )
        return await self._client.execute_update_with_start_workflow(
            name, arg, start_workflow_operation=start, result_type=result
        )

    async def acquire(self, request: PermitRequest) -> PermitAnswer:
        answer = await self._update(request.service, UPDATE_ACQUIRE, request, PermitAnswer)
        assert isinstance(answer, PermitAnswer)
        return answer

    async def confirm(self, service: ServiceId, outcome: PermitOutcome) -> None:
        await self._update(service, UPDATE_CONFIRM, outcome, bool)

    async def release(self, service: ServiceId, outcome: PermitOutcome) -> None:
        await self._update(service, UPDATE_RELEASE, outcome, bool)


class StubEscalations:
    """Implements Escalations by starting the real workflow."""

    def __init__(self, room: "Room") -> None:
        self._room = room

    async def alert(self, alert: Alert) -> bool:
        handle = await self._room.escalate(alert)
        described = await handle.describe()
        return described.start_time is not None

    async def observed(self, service: ServiceId, healthy: bool) -> None:
        handle = self._room.client.get_workflow_handle(escalation_workflow_id(service))
        await handle.signal("observed", Observed(service=service, healthy=healthy, at=self._room.world.now()))


@dataclass
class Desk:
    """What a scripted session can do: ask the gate, and act."""

    client: Client
    order: SessionOrder
    calls: int = 0

    def request(self, kind: str, target: str, tool_use_id: str = "") -> ActionRequest:
        self.calls += 1
        return ActionRequest(
            session=self.order.session,
            tool_use_id=tool_use_id or f"toolu_{self.order.attempt}_{self.calls}",
            kind=kind,
            target=target,
            reason="test",
        )

    async def consider(self, request: ActionRequest) -> ActionAnswer:
        return await self.client.get_workflow_handle(self.order.workflow_id).execute_update(
            UPDATE_CONSIDER, request, result_type=ActionAnswer
        )

    async def act(self, request: ActionRequest) -> ActionAnswer:
        return await self.client.get_workflow_handle(self.order.workflow_id).execute_update(
            UPDATE_ACT, request, result_type=ActionAnswer
        )

    def report(self, summary: str = "looked", *, escalate: bool = True) -> SessionOutcome:
        return SessionOutcome(
            session=self.order.session,
            attempt=self.order.attempt,
            status=SessionStatus.COMPLETED,
            report=TierReport(summary=summary, escalate=escalate),
        )

    def parked(self, request: ActionRequest) -> SessionOutcome:
        deferred = Deferred(tool_use_id=request.tool_use_id, tool="mcp__tiercel__act", input={})
        return SessionOutcome(
            session=self.order.session, attempt=self.order.attempt, status=SessionStatus.DEFERRED, deferred=deferred
        )

    def ended(
        self, status: SessionStatus, message: str = "", retry_after_s: float | None = None, bound: Bound = ""
    ) -> SessionOutcome:
        return SessionOutcome(
            session=self.order.session,
            attempt=self.order.attempt,
            status=status,
            message=message,
            bound=bound,
            retry_after_s=retry_after_s,
        )


async def only_looks(desk: Desk, order: SessionOrder) -> SessionOutcome:
    """A session that reports and escalates."""
    del order
    return desk.report()


@dataclass
class Room:
    """Everything that a test of workflows needs."""

    client: Client
    pool: Pool
    world: World
    slots: UpdateSlots
    scripts: dict[int, Script] = field(default_factory=dict[int, Script])
    orders: list[SessionOrder] = field(default_factory=list[SessionOrder])
    count: int = 0

    @property
    def incidents(self) -> IncidentStore:
        return IncidentStore(self.pool)

    async def approvals(self) -> list[Approval]:
        """Of the first incident, as the record has them."""
        return list(await Reads(self.pool).approvals_of("inc_1"))

    async def actions(self) -> list[Action]:
        """Of the first incident, as the record has them."""
        return list(await Reads(self.pool).actions_of("inc_1"))

    async def save_inventory(self) -> None:
        await HealthStore(self.pool).save_inventory(await self.world.read(), self.world.now())

    def alert(self, service: str, *affected: str, at: datetime | None = None) -> Alert:
        return Alert(
            service=ServiceId(service),
            affected=tuple(ServiceId(a) for a in affected),
            summary=f"{service} does not answer",
            at=at or self.world.now(),
        )

    async def escalate(
        self,
        alert: Alert,
        policy: EscalationPolicy = QUICK,
        *,
        dry_run: bool = False,
        prompt: str = "",
        start_tier: int = 1,
    ) -> WorkflowHandle[object, object]:
        self.count += 1
        start = EscalationInput(
            incident=IncidentId(f"inc_{self.count}"),
            alert=alert,
            policy=policy,
            dry_run=dry_run,
            prompt=prompt,
            start_tier=start_tier,
        )
        return await self.client.start_workflow(
            ESCALATION,
            start,
            id=escalation_workflow_id(alert.service),
            task_queue=TASK_QUEUE_CONTROL,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            start_signal="alert",
            start_signal_args=[alert],
        )


class ScriptedSessions:
    """Stands where the session activity stands."""

    def __init__(self, room: Room, money: SessionMoney) -> None:
        self._room = room
        self._money = money

    @activity.defn(name="run_session")
    async def run_session(self, order: SessionOrder) -> SessionOutcome:
        """Runs the script of the tier, once there is money for it."""
        over = await self._money.reserve(order)
        if over:
            return Desk(self._room.client, order).ended(SessionStatus.REFUSED, over, bound="budget")
        try:
            return await self._run(order)
        finally:
            await self._money.settle(order.session, order.attempt)

    async def _run(self, order: SessionOrder) -> SessionOutcome:
        self._room.orders.append(order)
        script = self._room.scripts.get(order.tier.tier, only_looks)
        desk = Desk(self._room.client, order)
        task = asyncio.ensure_future(script(desk, order))
        try:
            while not task.done():
                activity.heartbeat()
                await asyncio.wait([task], timeout=0.2)
        except asyncio.CancelledError:
            task.cancel()
        return await task


@asynccontextmanager
async def engine_room(
    client: Client,
    pool: Pool,
    world: World,
    prober: Prober | None = None,
    notifier: Notifier | None = None,
    where: Addresses = NOWHERE,
    limits: BudgetLimits = UNLIMITED,
) -> AsyncGenerator[Room, None]:
    """Workers on all three queues, until the block ends. Real probes and real messages where they are given."""
    look: Prober = prober or world
    run = tempfile.TemporaryDirectory(prefix="tiercel-slots-")
    room = Room(client, pool, world, UpdateSlots(Path(run.name)))
    await room.save_inventory()
    health, incidents, clock = HealthStore(pool), IncidentStore(pool), world
    records = RecordActivities(incidents, scripted=True)
    ledger_records = LedgerRecordActivities(incidents, clock)
    permits = PermitActivities(DirectLedger(client))
    budget_records = BudgetRecordActivities(BudgetStore(pool), incidents, limits, clock)
    budget = TemporalBudget(client, room.slots)
    money = SessionMoney(budget, ModelCallStore(pool), BudgetStore(pool), limited=limits.any, shown_after_s=0)
    actions = ActionActivities(world, look, health, incidents, clock)
    notices = NoticeActivities(notifier or world, NoticeStore(pool), clock, LinkStore(pool), where)
    patrol = PatrolActivities(world, look, health, StubEscalations(room), clock)
    probes = ProbeActivities(look, health, clock)
    upkeep = UpkeepActivities(UpkeepStore(pool), incidents, (), _runs(client), clock)
    runner = SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules(*PASSTHROUGH))
    control = [
        records.open_incident, records.record, ledger_records.ledger_history, ledger_records.write_permit, ledger_records.write_note, permits.acquire_permit, permits.settle_permit,
        budget_records.budget_history, budget_records.spending, budget_records.write_reservations, budget_records.write_budget_note,
        actions.weigh, actions.perform, actions.reconcile, notices.channels, notices.send, patrol.raise_alerts, patrol.tell_recovered, patrol.finish_patrol, upkeep.prune, upkeep.sweep_orphans, upkeep.find_interrupted, upkeep.write_digest,
    ]  # fmt: skip
    grace = timedelta(seconds=0.1)
    async with (
        Worker(
            client,
            task_queue=TASK_QUEUE_CONTROL,
            workflows=list(WORKFLOWS),
            activities=control,
            workflow_runner=runner,
            graceful_shutdown_timeout=grace,
        ),
        Worker(
            client,
            task_queue=TASK_QUEUE_PROBES,
            activities=[patrol.survey, patrol.sweep, probes.probe_now, probes.verify],
            graceful_shutdown_timeout=grace,
        ),
        Worker(
            client,
            task_queue=TASK_QUEUE_SESSIONS,
            activities=[ScriptedSessions(room, money).run_session],
            graceful_shutdown_timeout=grace,
            max_heartbeat_throttle_interval=timedelta(seconds=0.3),
        ),
    ):
        try:
            yield room
        finally:
            run.cleanup()


def _runs(client: Client) -> Callable[[str], Awaitable[bool]]:
    async def runs(workflow_id: str) -> bool:
        try:
            return (await client.get_workflow_handle(workflow_id).describe()).close_time is None
        except Exception:  # noqa: BLE001 - not found
            return False

    return runs
