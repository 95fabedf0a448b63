"""Inputs and outputs of activities: one value in, one value out."""

from datetime import datetime
from typing import Any

from domain.action import Action, ActionRequest, BlastRadius, EffectResult
from domain.base import Value
from domain.health import ProbeResult
from domain.ids import IncidentId, PermitId, ServiceId
from domain.incident import Alert, Approval, EscalationPolicy, IncidentState, Timeline
from domain.ledger import PermitRequest
from domain.notice import Notice


class Survey(Value):
    """What discovery found, small enough for a history."""

    services: int
    problems: int
    revision: str


class SweepOrder(Value):
    """Probe all services (or some), store every result."""

    patrol: str
    only: tuple[ServiceId, ...] = ()


class Sweep(Value):
    """What is not healthy, by verdict. Healthy services are only counted."""

    services: int
    suspect: tuple[ServiceId, ...] = ()
    failing: tuple[ServiceId, ...] = ()
    flapping: tuple[ServiceId, ...] = ()
    recovered: tuple[ServiceId, ...] = ()


class AlertOrder(Value):
    """Group failing services by cause and open or join an incident for each."""

    patrol: str
    failing: tuple[ServiceId, ...]
    policy: EscalationPolicy
    dry_run: bool


class AlertReport(Value):
    """Per cause: opened, joined, or held back with the reason."""

    opened: tuple[ServiceId, ...] = ()
    joined: tuple[ServiceId, ...] = ()
    held: dict[str, str] = {}


class PatrolRecord(Value):
    """One finished patrol."""

    patrol: str
    started: datetime
    ended: datetime
    services: int
    failing: int
    opened: int
    problems: int


class OpenOrder(Value):
    """Write a new incident into the record."""

    incident: IncidentId
    alert: Alert
    workflow_id: str
    run_id: str
    dry_run: bool
    requested_by: str = ""
    prompt: str = ""


class StateChange(Value):
    """An incident's new state."""

    incident: IncidentId
    state: IncidentState
    tier: int
    summary: str
    at: datetime


class AuditEntry(Value):
    """One line of the audit. The same key is written once."""

    key: str
    at: datetime
    actor_kind: str
    actor: str
    action: str
    target: str = ""
    detail: dict[str, Any] = {}


class RecordOrder(Value):
    """Several writes at once, in this order: states, actions, approvals, timeline, audit."""

    states: tuple[StateChange, ...] = ()
    actions: tuple[Action, ...] = ()
    approvals: tuple[Approval, ...] = ()
    timeline: tuple[tuple[str, Timeline], ...] = ()
    audit: tuple[AuditEntry, ...] = ()

    def then(self, later: "RecordOrder") -> "RecordOrder":
        """Both as one; of each kind of write, `later`'s come after these."""
        return RecordOrder(
            states=self.states + later.states,
            actions=self.actions + later.actions,
            approvals=self.approvals + later.approvals,
            timeline=self.timeline + later.timeline,
            audit=self.audit + later.audit,
        )


class ProbeOrder(Value):
    """Probe some services now."""

    services: tuple[ServiceId, ...]
    purpose: str = ""


class ProbeReport(Value):
    """`green` only where every probe of every service ran and none failed."""

    green: bool
    gone: bool = False  # none of the services is declared any more
    results: tuple[ProbeResult, ...] = ()
    summary: str = ""


class VerifyOrder(Value):
    """Probe until everything was green for the whole window, or the time is over."""

    services: tuple[ServiceId, ...]
    window_s: float
    interval_s: float
    timeout_s: float


class WeighOrder(Value):
    """Judge one wish of a session. `approved` asks again just before an approved effect."""

    request: ActionRequest
    incident: IncidentId
    services: tuple[ServiceId, ...]
    tier: int
    policy: EscalationPolicy
    approved: bool = False
    rehearse: bool = False


class Weighed(Value):
    """The verdict, and what it would mean."""

    decision: str  # allow | deny | approval
    reason: str = ""
    action: Action | None = None
    blast: BlastRadius = BlastRadius()
    permit: PermitRequest | None = None
    healthy_now: bool = False


class PerformOrder(Value):
    """One action that has its permit."""

    action: Action


class Performed(Value):
    """The result, with the action as it is now."""

    action: Action
    result: EffectResult


class SettleOrder(Value):
    """Tell the ledger how a permit ended."""

    service: ServiceId
    permit: PermitId
    confirmed: bool
    outcome: str


class SendOrder(Value):
    """One notice through one channel."""

    channel: str
    notice: Notice


class UpkeepReport(Value):
    """What one upkeep did."""

    pruned: dict[str, int] = {}
    swept: int = 0
    interrupted: int = 0
    digest: str = ""


class UpkeepOrder(Value):
    """Settings of one upkeep."""

    retention_days: int
    at: datetime
    digest_at: str = ""  # HH:MM in `timezone`; empty: no digest
    timezone: str = "UTC"
