"""The state of one escalation, and its clerk who writes every step into the record."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeKey

from activities.records import RecordActivities
from domain.action import Action, ActionState, BlastRadius
from domain.ids import LOCAL_NODE, ActionId, ServiceId, SessionId
from domain.incident import (
    Approval,
    ApprovalState,
    CloseRequest,
    EscalationInput,
    EscalationView,
    IncidentState,
    Timeline,
)
from domain.work import AuditEntry, OpenOrder, RecordOrder, StateChange
from policy import approvals
from workflows import options

SERVICE = SearchAttributeKey.for_keyword("Service")
NODE = SearchAttributeKey.for_keyword("Node")
TIER = SearchAttributeKey.for_int("Tier")
RUN_STATE = SearchAttributeKey.for_keyword("RunState")
TRIGGER = SearchAttributeKey.for_keyword("Trigger")
PENDING_APPROVAL = SearchAttributeKey.for_bool("PendingApproval")

_AFTER = {
    ApprovalState.DENIED: ActionState.DENIED,
    ApprovalState.CHANGED: ActionState.CHANGED,
    ApprovalState.EXPIRED: ActionState.EXPIRED,
    ApprovalState.VOID: ActionState.REFUSED,
}


@dataclass
class Case:
    """Everything that handlers and the main line of an escalation share."""

    start: EscalationInput
    state: IncidentState = IncidentState.OPEN
    tier: int = 0
    summary: str = ""
    affected: list[ServiceId] = field(default_factory=list[ServiceId])
    joined: int = 0
    session: SessionId | None = None
    healthy_seen: bool = False  # a patrol saw the service healthy
    failing_seen: bool = False  # a new alert came while we watched a fix
    gone: bool = False  # at the last look none of the services was declared any more
    closing: CloseRequest | None = None
    rounds: int = 0  # how often a person was called or a fix did not last
    actions: dict[ActionId, Action] = field(default_factory=dict[ActionId, Action])
    approvals: dict[ActionId, Approval] = field(default_factory=dict[ActionId, Approval])

    @classmethod
    def of(cls, start: EscalationInput) -> "Case":
        """As it begins, or as an earlier run left it."""
        left = start.handover
        if left is None:
            return cls(start, affected=list(start.alert.affected))
        return cls(
            start,
            state=IncidentState.NEEDS_PERSON,
            tier=left.tier,
            summary=left.summary,
            affected=list(left.affected),
            joined=left.joined,
            rounds=left.rounds,
            actions={a.id: a for a in left.actions},
        )

    @property
    def service(self) -> ServiceId:
        """The root cause, or "" for a look without a service."""
        return self.start.alert.service

    @property
    def services(self) -> tuple[ServiceId, ...]:
        """The root and everything that fails because of it."""
        return tuple(dict.fromkeys([s for s in (self.service, *self.affected) if s]))

    @property
    def title(self) -> str:
        """How people call it."""
        return self.service or "look"

    def opening(self) -> OpenOrder:
        """Its first line in the record."""
        info, start = workflow.info(), self.start
        return OpenOrder(
            incident=start.incident,
            alert=start.alert,
            workflow_id=info.workflow_id,
            run_id=info.run_id,
            dry_run=start.dry_run,
            requested_by=start.requested_by,
            prompt=start.prompt,
        )

    def close(self, request: CloseRequest) -> str:
        """A person ends it; whoever was first counts. What the person is told."""
        if self.closing is not None:
            return f"already closed by {self.closing.actor}"
        self.closing = request
        return "closing"

    def view(self) -> EscalationView:
        """The answer to the query `view`."""
        return EscalationView(
            incident=self.start.incident,
            service=self.service,
            state=self.state,
            tier=self.tier,
            summary=self.summary,
            alerts_joined=self.joined,
            actions=tuple(self.actions.values()),
            approvals=tuple(self.approvals.values()),
        )


class Clerk:
    """Writes to the record in the order of events. Keys are counted, so a replay writes the same entries."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._written = 0
        self._meanwhile: asyncio.Task[None] | None = None
        self._waiting: RecordOrder | None = None  # what that task will write when its turn comes

    async def state(self, state: IncidentState, summary: str = "", kind: str = "", **detail: Any) -> None:
        """The incident's new state, shown in the record, in the Temporal UI and to searches."""
        await self.write(self._changed(state, summary, kind, detail))

    def state_meanwhile(self, state: IncidentState, summary: str, kind: str, **detail: Any) -> None:
        """As `state`, without waiting for the record. Whatever is written later is written after it.

        What comes before its turn is written along: each activity takes processor time from a session that starts.
        """
        order = self._changed(state, summary, kind, detail)
        if self._waiting is not None:
            self._waiting = self._waiting.then(order)
            return
        self._waiting = order
        self._meanwhile = asyncio.create_task(self._write_waiting(self._meanwhile))

    def _changed(self, state: IncidentState, summary: str, kind: str, detail: dict[str, Any]) -> RecordOrder:
        case = self._case
        case.state = state
        case.summary = summary or case.summary
        pending = any(a.state == ApprovalState.PENDING for a in case.approvals.values())
        workflow.upsert_search_attributes(
            [
                SERVICE.value_set(case.title),
                NODE.value_set(case.service.split("/", 1)[0] if case.service else LOCAL_NODE),
                TIER.value_set(case.tier),
                RUN_STATE.value_set(state.value),
                TRIGGER.value_set(case.start.alert.trigger.value),
                PENDING_APPROVAL.value_set(pending),
            ]
        )
        workflow.set_current_details(f"**{state}**, tier {case.tier}: {case.summary}")
        change = StateChange(
            incident=case.start.incident, state=state, tier=case.tier, summary=case.summary, at=workflow.now()
        )
        return RecordOrder(states=(change,), timeline=(self._entry(kind or state.value, case.summary, detail),))

    async def closed(self, by: CloseRequest) -> None:
        """A person ended it."""
        await self.state(IncidentState.CANCELLED, f"closed by {by.actor}: {by.reason}")

    async def note(self, kind: str, text: str, *, audited: str = "", **detail: Any) -> None:
        """One line of the incident's history; `audited` is the word for it in the audit, if it belongs there."""
        order = RecordOrder(timeline=(self._entry(kind, text, detail),))
        if audited:
            said = self._audit("system", "escalation", audited, self._case.start.incident, {"text": text, **detail})
            order = order.model_copy(update={"audit": (said,)})
        await self.write(order)

    async def action(self, action: Action, text: str) -> None:
        """An action's new state, with its line of history and its line of audit."""
        self._case.actions[action.id] = action
        detail = {"action": action.id, "state": action.state.value, "kind": action.kind.value, "target": action.target}
        await self.write(
            RecordOrder(
                actions=(action,),
                timeline=(self._entry("action", text, detail),),
                audit=(
                    self._audit(
                        "session", action.session, f"action.{action.state}", action.target, {"text": text, **detail}
                    ),
                ),
            )
        )

    async def approval(self, approval: Approval, text: str) -> None:
        """An approval's new state."""
        self._case.approvals[approval.action.id] = approval
        actor_kind = "user" if approval.decided_by else "system"
        detail: dict[str, Any] = {"approval": approval.id, "state": approval.state.value, "digest": approval.digest}
        if approval.decided_how:
            detail["how"] = approval.decided_how
        if approval.changed_to is not None:
            detail["asked_for"] = approval.action.exact
            detail["changed_to"] = _changed(approval.changed_to, approval.changed_blast)
        await self.write(
            RecordOrder(
                actions=self._ended(approval),
                approvals=(approval,),
                timeline=(self._entry("approval", text, detail),),
                audit=(
                    self._audit(
                        actor_kind,
                        approval.decided_by or "escalation",
                        f"approval.{approval.state}",
                        approval.action.target,
                        detail,
                    ),
                ),
            )
        )

    def _ended(self, approval: Approval) -> tuple[Action, ...]:
        """The action that waited, once it will never be performed, and the one that takes its place."""
        state = _AFTER.get(approval.state)
        if state is None:
            return ()
        why = f": {approval.reason}" if approval.reason else ""
        over = approval.action.model_copy(
            update={
                "state": state,
                "approval": approval.id,
                "message": f"{approvals.already(approval).removeprefix('already ')}{why}",
                "finished_at": approval.decided_at,
            }
        )
        ended = (over, *([approval.changed_to] if approval.changed_to else []))
        self._case.actions.update({a.id: a for a in ended})
        return ended

    async def refusal(self, session: str, wish: str, reason: str) -> None:
        """A wish that never became an action: it has no target of ours."""
        entry = self._audit("session", session, "action.refused", "", {"wish": wish[:300], "reason": reason})
        await self.write(RecordOrder(timeline=(self._entry("refused", f"{wish[:120]}: {reason}", {}),), audit=(entry,)))

    async def write(self, order: RecordOrder) -> None:
        """All writes of one step. Waits as long as the record is away."""
        if self._meanwhile is not None:
            await asyncio.shield(self._meanwhile)  # whoever is cancelled while waiting must not take it along
        await workflow.execute_activity_method(RecordActivities.record, order, **options.RECORD)

    async def _write_waiting(self, earlier: asyncio.Task[None] | None) -> None:
        if earlier is not None:
            await asyncio.shield(earlier)
        order, self._waiting = self._waiting, None
        if order is not None:
            await workflow.execute_activity_method(RecordActivities.record, order, **options.RECORD)

    def _key(self) -> str:
        self._written += 1
        return f"{self._case.start.incident}/{workflow.info().run_id[:8]}/{self._written}"

    def _entry(self, kind: str, text: str, detail: dict[str, Any]) -> tuple[str, Timeline]:
        case = self._case
        entry = Timeline(
            incident=case.start.incident, at=workflow.now(), kind=kind, tier=case.tier, text=text[:2000], detail=detail
        )
        return self._key(), entry

    def _audit(self, actor_kind: str, actor: str, action: str, target: str, detail: dict[str, Any]) -> AuditEntry:
        now: datetime = workflow.now()
        return AuditEntry(
            key=self._key(), at=now, actor_kind=actor_kind, actor=actor, action=action, target=target, detail=detail
        )


def _changed(action: Action, blast: BlastRadius | None) -> dict[str, Any]:
    said = blast.sentence if blast else ""
    return {"action": action.id, "exact": action.exact, "digest": action.digest, "risk": action.risk, "blast": said}
