"""Incidents: one cause, from the first failing probe to verified recovery or hand-over to a person."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from domain.action import Action, BlastRadius
from domain.base import Value
from domain.health import ProbeResult
from domain.ids import ApprovalId, IncidentId, ServiceId, SessionId
from domain.session import TierSettings


class IncidentState(StrEnum):
    """open -> verifying -> resolved | self_healed | needs_person | interrupted; waiting while parked on a person."""

    OPEN = "open"
    WAITING = "waiting"  # for an approval
    VERIFYING = "verifying"
    WATCHING = "watching"  # fixed and proven, re-checks still to come
    RESOLVED = "resolved"
    SELF_HEALED = "self_healed"
    NEEDS_PERSON = "needs_person"
    REPORTED = "reported"  # a look that a person asked for, nothing to repair
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"


CLOSED_STATES = frozenset(
    {
        IncidentState.RESOLVED,
        IncidentState.SELF_HEALED,
        IncidentState.REPORTED,
        IncidentState.INTERRUPTED,
        IncidentState.CANCELLED,
    }
)


class Trigger(StrEnum):
    """What opened an incident."""

    PATROL = "patrol"
    MANUAL = "manual"
    ALERT = "alert"
    LOOK = "look"


class Alert(Value):
    """Failing probes of one cause. A second alert for an open incident joins it."""

    service: ServiceId  # the root cause as far as code can tell
    affected: tuple[ServiceId, ...] = ()
    trigger: Trigger = Trigger.PATROL
    results: tuple[ProbeResult, ...] = ()
    summary: str = ""
    at: datetime
    origin: IncidentId = IncidentId("")  # the incident in which this happened, where it is about one of our sessions


class BaitSeen(Value):
    """A session carried its bait outside. `message`: which piece of it, where, and what was done."""

    session: SessionId
    incident: IncidentId  # the one that the session worked for
    service: ServiceId
    tier: int
    message: str
    dry_run: bool


class EscalationPolicy(Value):
    """All times and bounds of one escalation, fixed when it starts so that history replays."""

    tiers: tuple[TierSettings, ...]
    settle_s: float = 5.0  # an early recovery within this time is self-healing
    verify_window_s: float = 60.0
    verify_interval_s: float = 5.0
    verify_timeout_s: float = 180.0
    rechecks_s: tuple[float, ...] = (60.0, 600.0, 3600.0)
    approval_timeout_s: float = 86_400.0
    handover_watch_s: float = 604_800.0
    handover_poll_s: float = 300.0
    history_limit: int = 4000  # events after which a watched hand-over goes on in a fresh run
    session_attempts: int = 3
    restart_limit: int = 2
    restart_window_s: float = 14_400.0
    redeploy_limit: int = 1
    redeploy_window_s: float = 86_400.0
    remedy_limit: int = 4
    remedy_window_s: float = 14_400.0


class Handover(Value):
    """Where a watched hand-over stands, carried into a fresh run."""

    why: str
    pause_s: float
    waited_s: float = 0.0
    tier: int = 0
    summary: str = ""
    affected: tuple[ServiceId, ...] = ()
    joined: int = 0
    rounds: int = 0
    actions: tuple[Action, ...] = ()


class EscalationInput(Value):
    """Start one escalation. Without an `incident` (a scheduled look) the run names its own."""

    incident: IncidentId
    alert: Alert
    policy: EscalationPolicy
    start_tier: int = 1
    prompt: str = ""
    dry_run: bool = True
    requested_by: str = ""
    handover: Handover | None = None


class ApprovalState(StrEnum):
    """pending -> approved | denied | changed | expired | void (no longer needed)."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    CHANGED = "changed"  # to another exact action, which the same person approves by it
    EXPIRED = "expired"
    VOID = "void"


class Approval(Value):
    """A person's answer to one exact action digest. Single use; expires as deny."""

    id: ApprovalId
    incident: IncidentId
    workflow_id: str
    action: Action
    digest: str
    state: ApprovalState = ApprovalState.PENDING
    blast: BlastRadius = BlastRadius()
    evidence: str = ""
    requested_at: datetime
    expires_at: datetime
    decided_at: datetime | None = None
    decided_by: str = ""
    decided_how: str = ""  # session, PIN and link, one tap, command line, ...
    reason: str = ""
    changed_to: Action | None = None
    changed_blast: BlastRadius | None = None


class Change(Value):
    """Another action instead of the one that was asked for. Judged by the same rules as a session's wish."""

    kind: str
    target: str
    params: dict[str, Any] = {}


class Decision(Value):
    """What a person answers. `digest` must be the one that was shown. With a `change`, that is what is approved."""

    approval: ApprovalId
    digest: str
    approve: bool
    actor: str
    reason: str = ""
    how: str = ""
    change: Change | None = None


class DecisionAnswer(Value):
    """First decision wins; the second is told who decided."""

    accepted: bool
    state: ApprovalState
    decided_by: str = ""
    decided_at: datetime | None = None
    message: str = ""


class Verification(Value):
    """Whether the same probes stayed green for the whole window."""

    verified: bool
    green_s: float
    results: tuple[ProbeResult, ...] = ()
    summary: str = ""


class EscalationView(Value):
    """What the escalation answers when asked how it is."""

    incident: IncidentId
    service: ServiceId
    state: IncidentState
    tier: int
    summary: str
    alerts_joined: int = 0
    actions: tuple[Action, ...] = ()
    approvals: tuple[Approval, ...] = ()


class EscalationResult(Value):
    """How an escalation ended."""

    incident: IncidentId
    state: IncidentState
    tier: int
    summary: str


class Timeline(Value):
    """One entry of an incident's history, kept in the record for pages and post-mortems."""

    incident: IncidentId
    at: datetime
    kind: (
        str  # opened, joined, tier_started, tier_ended, action, approval, verified, not_verified, notified, closed, ...
    )
    tier: int = 0
    text: str
    detail: dict[str, Any] = {}


class Observed(Value):
    """What a patrol saw of a service with an open escalation."""

    service: ServiceId
    healthy: bool
    at: datetime


class CloseRequest(Value):
    """A person ends an escalation: sessions are stopped, nothing more is done."""

    actor: str
    reason: str


class PatrolInput(Value):
    """Start one patrol. `reason` is `schedule` or who asked; `only` limits it to some services."""

    reason: str = "schedule"
    confirm_after_s: float = 10.0
    policy: EscalationPolicy
    dry_run: bool = True
    only: tuple[ServiceId, ...] = ()


class PatrolResult(Value):
    """What one patrol found."""

    services: int
    failing: tuple[ServiceId, ...] = ()
    opened: tuple[ServiceId, ...] = ()
    joined: tuple[ServiceId, ...] = ()
    held: dict[str, str] = {}
    problems: int = 0
