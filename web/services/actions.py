"""Everything that a person can do from a page or a command. Acts only; what is true afterwards is read elsewhere.

Each act is written to the audit with what came of it. An expected refusal is an
`Act` with `accepted` false; a fault (engine or record away) is raised.
"""

import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from temporalio.client import Client

from adapters.engine.client import TemporalEscalations, TemporalLedger
from adapters.engine.updates import WorkflowGoneError, patiently
from domain.base import Value
from domain.engine import SCHEDULE_PATROL, UPDATE_CLOSE
from domain.errors import EngineUnavailableError
from domain.ids import IncidentId, ServiceId
from domain.incident import Alert, Approval, Change, CloseRequest, Trigger
from domain.ledger import LedgerNote
from domain.ports import Clock, IncidentRecords
from domain.session import TierSettings
from web.services.answers import Act, Actor, Answers, UnansweredError

__all__ = ["LEDGER_NOTES", "PATIENCE_S", "Act", "Actions", "Actor"]

T = TypeVar("T")
PATIENCE_S = 8.0  # a person waits for the answer
LEDGER_NOTES = ("snooze", "maintenance", "reset")


class Actions:
    """Acts through the workflow engine, by the names in domain/engine.py."""

    def __init__(
        self,
        client: Callable[[], Awaitable[Client]],
        ledger: TemporalLedger,
        escalations: TemporalEscalations,
        records: IncidentRecords,
        clock: Clock,
        tiers: tuple[TierSettings, ...],
        approval: Callable[[str], Awaitable[Approval | None]],
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._escalations = escalations
        self._records = records
        self._clock = clock
        self._tiers = tiers
        self._answers = Answers(self._update, self._audit, approval)

    # ------------------------------------------------------------ approvals

    async def decide(
        self,
        approval: Approval,
        *,
        digest: str,
        approve: bool,
        reason: str,
        actor: Actor,
        how: str = "",
        change: Change | None = None,
    ) -> Act:
        """Answer one approval; with a `change`, approve that instead. See web/services/answers.py."""
        return await self._answers.decide(
            approval, digest=digest, approve=approve, reason=reason, actor=actor, how=how, change=change
        )

    # ------------------------------------------------------------ running

    async def patrol(self, actor: Actor) -> Act:
        """Start one patrol now; while one runs, nothing is started twice."""

        async def trigger() -> None:
            await (await self._client()).get_schedule_handle(SCHEDULE_PATROL).trigger()

        try:
            await patiently(trigger, PATIENCE_S)
        except WorkflowGoneError:
            return Act(
                accepted=False,
                message="There is no patrol schedule yet; the worker creates it when it starts. Is it running?",
            )
        await self._audit(actor, "patrol.started", SCHEDULE_PATROL, {})
        return Act(accepted=True, message="Patrol started. One that runs already is not doubled.")

    async def look(self, service: str, prompt: str, tier: int, actor: Actor) -> Act:
        """Let a session look at a service (or, without one, at everything), beginning at `tier`."""
        if tier not in {t.tier for t in self._tiers}:
            return Act(
                accepted=False,
                message=f"There is no tier {tier}; choose {', '.join(str(t.tier) for t in self._tiers)}.",
            )
        if not prompt.strip():
            return Act(accepted=False, message="Write what the session should look at.")
        what = service or "everything"
        alert = Alert(
            service=ServiceId(service),
            trigger=Trigger.MANUAL,
            summary=f"{actor.name} asked to look at {what}",
            at=self._clock.now(),
        )
        opened = await self._escalations.open(alert, start_tier=tier, prompt=prompt.strip(), requested_by=actor.name)
        await self._audit(actor, "look.started", opened.incident, {"service": service, "tier": tier, "new": opened.new})
        if not opened.new:
            return Act(
                accepted=False,
                message=f"An incident of {what} is already open; your alert joined it, your prompt did not.",
                incident=opened.incident,
            )
        return Act(accepted=True, message=f"Started at tier {tier}.", incident=opened.incident)

    async def close(self, incident: str, workflow_id: str, reason: str, actor: Actor) -> Act:
        """End an escalation: its sessions are stopped and nothing more is done."""
        if not reason.strip():
            return Act(accepted=False, message="Say why it is closed.", incident=incident)
        try:
            said = await self._update(
                workflow_id, UPDATE_CLOSE, CloseRequest(actor=actor.name, reason=reason.strip()), str
            )
        except WorkflowGoneError:
            return Act(accepted=False, message="It is already over.", incident=incident)
        await self._audit(actor, "incident.closed", IncidentId(incident), {"reason": reason.strip(), "answer": said})
        return Act(
            accepted=said == "closing",
            message="Closing: sessions are being stopped." if said == "closing" else said,
            incident=incident,
        )

    # ------------------------------------------------------------ ledger

    async def note(self, service: str, kind: str, minutes: int, reason: str, actor: Actor) -> Act:
        """Snooze, maintenance (`minutes` from now, 0 ends it) or reset of a service's cooldowns."""
        if kind not in LEDGER_NOTES:
            return Act(accepted=False, message=f"There is no '{kind}'; choose {', '.join(LEDGER_NOTES)}.")
        if not reason.strip():
            return Act(accepted=False, message="Say why; it is kept with your name.")
        until = self._clock.now() + timedelta(minutes=minutes) if minutes > 0 and kind != "reset" else None
        note = LedgerNote(until=until, reason=reason.strip(), actor=actor.name)
        send = {"snooze": self._ledger.snooze, "maintenance": self._ledger.maintenance, "reset": self._ledger.reset}[
            kind
        ]
        await send(ServiceId(service), note)  # the ledger writes the audit, with the actor
        if kind == "reset":
            return Act(accepted=True, message=f"The cooldowns of {service} are reset.")
        return Act(accepted=True, message=f"{kind.capitalize()} of {service} {'is set' if until else 'has ended'}.")

    # ------------------------------------------------------------ inside

    async def _update(self, workflow_id: str, name: str, arg: Value, result: type[T], update_id: str = "") -> T:
        # One id per question: a retry of ours is the same, another person's is not.
        update_id = update_id or f"{name}:{uuid.uuid4().hex}"

        asked = False

        async def call() -> T:
            nonlocal asked
            client = await self._client()
            asked = True
            return await client.get_workflow_handle(workflow_id).execute_update(
                name, arg, id=update_id, result_type=result
            )

        try:
            return await patiently(call, PATIENCE_S)
        except EngineUnavailableError as e:
            if asked:
                raise UnansweredError(str(e)) from e
            raise

    async def _audit(self, actor: Actor, action: str, target: str, detail: dict[str, object]) -> None:
        await self._records.audit(uuid.uuid4().hex, self._clock.now(), actor.kind, actor.name, action, target, detail)
