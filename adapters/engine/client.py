"""The ledgers and the escalations, reached through Temporal by the names in domain/engine.py."""

import uuid
from collections.abc import Awaitable, Callable
from typing import TypeVar

from temporalio.client import Client, WithStartWorkflowOperation
from temporalio.common import WorkflowIDConflictPolicy

from adapters.engine.slots import UpdateSlots
from adapters.engine.updates import (
    AnsweredWithFaultError,
    ClientSource,
    WorkflowGoneError,
    client_source,
    patiently,
)
from domain.base import Value
from domain.engine import (
    ESCALATION,
    LEDGER,
    SIGNAL_ALERT,
    SIGNAL_OBSERVED,
    TASK_QUEUE_CONTROL,
    UPDATE_ACQUIRE,
    UPDATE_CONFIRM,
    UPDATE_MAINTENANCE,
    UPDATE_RELEASE,
    UPDATE_RESET,
    UPDATE_SNOOZE,
)
from domain.errors import EngineUnavailableError, FatalError, TransientError
from domain.ids import IncidentId, ServiceId, derived_uuid, escalation_workflow_id, ledger_workflow_id
from domain.incident import Alert, EscalationInput, EscalationPolicy, Observed
from domain.ledger import LedgerNote, LedgerStart, PermitAnswer, PermitOutcome, PermitRequest
from domain.ports import Clock
from policy.text import short

T = TypeVar("T")

PATIENCE_S = 40.0  # below the 60 s of the activity that asks
_TRIES = 5  # of an update whose handler said that asking again makes sense
_MEMO_INCIDENT = "incident"


class TemporalLedger:
    """Implements domain.ports.Ledger. Every call may be repeated: the entity knows permits by their id."""

    def __init__(self, client: Client | ClientSource, slots: UpdateSlots, patience_s: float = PATIENCE_S) -> None:
        self._client = client_source(client)
        self._slots = slots
        self._patience_s = patience_s

    async def acquire(self, request: PermitRequest) -> PermitAnswer:
        """Ask for a permit; a refusal is an answer. Raises EngineUnavailableError."""
        return await self._update(request.service, UPDATE_ACQUIRE, request, request.id, PermitAnswer)

    async def confirm(self, service: ServiceId, outcome: PermitOutcome) -> None:
        """The action was begun: the permit counts."""
        await self._update(service, UPDATE_CONFIRM, outcome, outcome.id, bool)

    async def release(self, service: ServiceId, outcome: PermitOutcome) -> None:
        """Nothing was done: the slot is free again."""
        await self._update(service, UPDATE_RELEASE, outcome, outcome.id, bool)

    async def maintenance(self, service: ServiceId, note: LedgerNote) -> None:
        """Begin or (no `until`) end maintenance."""
        await self._update(service, UPDATE_MAINTENANCE, note, "person", bool)

    async def snooze(self, service: ServiceId, note: LedgerNote) -> None:
        """Begin or (no `until`) end a snooze."""
        await self._update(service, UPDATE_SNOOZE, note, "person", bool)

    async def reset(self, service: ServiceId, note: LedgerNote) -> None:
        """A person gives all slots back."""
        await self._update(service, UPDATE_RESET, note, "person", bool)

    async def _update(self, service: ServiceId, name: str, arg: Value, key: str, result: type[T]) -> T:
        for _ in range(_TRIES - 1):
            try:
                return await self._once(service, name, arg, key, result)
            except AnsweredWithFaultError as e:
                if not e.retryable:
                    raise FatalError(f"the ledger of {service} refused: {e}") from e
        try:
            return await self._once(service, name, arg, key, result)
        except AnsweredWithFaultError as e:
            raise TransientError(f"the ledger of {service} cannot answer: {e}") from e

    async def _once(self, service: ServiceId, name: str, arg: Value, key: str, result: type[T]) -> T:
        # The server remembers the outcome of an update id, a failure too. So the id lasts for the repetitions after a
        # lost connection, and a new question gets a new one; what makes it the same permit is its id in the entity.
        update_id = f"{name}:{key}:{uuid.uuid4().hex[:12]}"
        workflow_id = ledger_workflow_id(service)

        async def call() -> T:
            client = await self._client()
            start = WithStartWorkflowOperation[object, None](
                LEDGER,
                LedgerStart(service=service),
                id=workflow_id,
                task_queue=TASK_QUEUE_CONTROL,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                static_summary=f"Ledger of {service}",
            )
            return await client.execute_update_with_start_workflow(
                name, arg, start_workflow_operation=start, id=update_id, result_type=result
            )

        async with self._slots.slot(workflow_id):
            try:
                return await patiently(call, self._patience_s)
            except WorkflowGoneError as e:
                raise EngineUnavailableError(f"the ledger of {service} is starting anew: {e}") from e


class Opened(Value):
    """What became of an alert: `new` where it opened the incident, else it joined one."""

    workflow_id: str
    incident: IncidentId
    new: bool


class TemporalEscalations:
    """Implements domain.ports.Escalations. `policy` and `dry_run` are read when an incident opens."""

    def __init__(
        self,
        client: Client | ClientSource,
        policy: Callable[[], EscalationPolicy],
        dry_run: Callable[[], bool],
        clock: Clock,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._client = client_source(client)
        self._policy = policy
        self._dry_run = dry_run
        self._clock = clock
        self._patience_s = patience_s

    async def alert(self, alert: Alert) -> bool:
        """Open an incident, or join the open one. The same alert twice opens one incident and is True twice."""
        return (await self.open(alert)).new

    async def open(self, alert: Alert, *, start_tier: int = 1, prompt: str = "", requested_by: str = "") -> Opened:
        """As `alert`, also for a person's own look (`prompt`), which needs no service.

        Raises EngineUnavailableError where Temporal cannot be reached.
        """
        incident = incident_id(alert)
        workflow_id = escalation_workflow_id(alert.service or f"look/{incident}")
        start = EscalationInput(
            incident=incident,
            alert=alert,
            policy=self._policy(),
            start_tier=start_tier,
            prompt=prompt,
            dry_run=self._dry_run(),
            requested_by=requested_by,
        )

        async def call() -> str:
            client = await self._client()
            handle = await client.start_workflow(
                ESCALATION,
                start,
                id=workflow_id,
                task_queue=TASK_QUEUE_CONTROL,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                start_signal=SIGNAL_ALERT,
                start_signal_args=[alert],
                memo={_MEMO_INCIDENT: incident},
                static_summary=short(alert.summary or prompt),
            )
            # Which incident the workflow carries tells new from joined, also when an answer was lost and this is the
            # second try: then the first try's incident is ours.
            described = await handle.describe()
            return str(await described.memo_value(_MEMO_INCIDENT, default="", type_hint=str))

        running = await self._repeated(call)
        return Opened(workflow_id=workflow_id, incident=IncidentId(running or incident), new=running == incident)

    async def observed(self, service: ServiceId, healthy: bool) -> None:
        """Tell an open escalation what a patrol saw. No open escalation: nothing happens."""
        seen = Observed(service=service, healthy=healthy, at=self._clock.now())

        async def call() -> None:
            client = await self._client()
            await client.get_workflow_handle(escalation_workflow_id(service)).signal(SIGNAL_OBSERVED, seen)

        try:
            await patiently(call, self._patience_s)
        except WorkflowGoneError:
            return

    async def _repeated(self, call: Callable[[], Awaitable[T]]) -> T:
        try:
            return await patiently(call, self._patience_s)
        except WorkflowGoneError as e:
            raise EngineUnavailableError(f"the escalation ended while the alert came in: {e}") from e


def incident_id(alert: Alert) -> IncidentId:
    """Derived from what is alerted and when, so that a repeated alert is the same incident."""
    return IncidentId("inc_" + derived_uuid("incident", alert.service, alert.at.isoformat(), alert.trigger)[:18])
