"""Typed effects: what may be asked for, how one is identified, and the states it goes through."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from domain.base import Value
from domain.ids import ActionId, ApprovalId, IncidentId, PermitId, ServiceId, SessionId, digest


class ActionKind(StrEnum):
    """What can be done. Anything that is not in this list does not exist."""

    RESTART = "restart"
    START = "start"
    UNPAUSE = "unpause"
    RELOAD_CONFIG = "reload_config"
    RECREATE = "recreate"
    COMPOSE_UP = "compose_up"


class Risk(StrEnum):
    """How much an action can harm. Never taken from a model's words."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class CooldownClass(StrEnum):
    """Which of the ledger's counters an action uses up."""

    RESTART = "restart"
    REMEDY = "remedy"
    REDEPLOY = "redeploy"


class ActionState(StrEnum):
    """Requested, then refused or permitted; maybe waiting for a person; performing; done, failed or unknown."""

    REQUESTED = "requested"
    REFUSED = "refused"
    PERMITTED = "permitted"
    WAITING = "waiting"
    DENIED = "denied"
    EXPIRED = "expired"
    CHANGED = "changed"  # a person answered with another action, which has an id of its own
    PERFORMING = "performing"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"
    DRY_RUN = "dry_run"


FINAL_STATES = frozenset(
    {
        ActionState.REFUSED,
        ActionState.DENIED,
        ActionState.EXPIRED,
        ActionState.CHANGED,
        ActionState.DONE,
        ActionState.FAILED,
        ActionState.DRY_RUN,
    }
)


class ActionRequest(Value):
    """What a session asks for, in its own spelling. `target` is resolved before anything is decided."""

    session: SessionId
    tool_use_id: str
    kind: str
    target: str
    params: dict[str, Any] = {}
    reason: str = ""


class Action(Value):
    """One action on one canonical target, and how far it has come."""

    id: ActionId
    incident: IncidentId
    session: SessionId
    tool_use_id: str
    tier: int
    kind: ActionKind
    target: ServiceId
    params: dict[str, Any] = {}
    reason: str = ""
    risk: Risk
    reversible: bool
    cooldown_class: CooldownClass
    state: ActionState = ActionState.REQUESTED
    permit: PermitId | None = None
    approval: ApprovalId | None = None
    message: str = ""  # what the model and people are told
    retry_after_s: float | None = None
    requested_at: datetime
    finished_at: datetime | None = None
    before: "TargetState | None" = None
    after: "TargetState | None" = None

    @property
    def digest(self) -> str:
        """What an approval is bound to: kind, target and params, nothing else."""
        return action_digest(self.kind, self.target, self.params)

    @property
    def exact(self) -> str:
        """Kind, target and params in one line: `restart local/web stop_wait_s=30`."""
        return " ".join([self.kind, self.target, *(f"{k}={v}" for k, v in sorted(self.params.items()))])


def action_digest(kind: str, target: str, params: dict[str, Any]) -> str:
    """sha256 of the canonical JSON of kind, target and params."""
    return digest({"kind": kind, "target": target, "params": params})


class TargetState(Value):
    """The state of an action's target, as its node's engine or service manager tells it."""

    running: bool
    status: str  # the engine's own word: running, exited, paused, ...
    identity: str = ""  # container id or pid with start time; changes when the thing was restarted
    started_at: str = ""
    config_digest: str = ""
    detail: str = ""


class EffectResult(Value):
    """What performing gave: `done`, `failed` with the reason, or `unknown` when it must be looked up."""

    state: ActionState
    message: str
    before: TargetState | None = None
    after: TargetState | None = None


class ActionAnswer(Value):
    """What the session is told. `decision` is for the gate: allow, deny or defer."""

    action: ActionId | None
    decision: str  # allow | deny | defer
    state: ActionState
    message: str
    retry_after_s: float | None = None
    approval: ApprovalId | None = None


class BlastRadius(Value):
    """Who else notices: computed from the inventory before an action, shown with every approval."""

    dependents: tuple[ServiceId, ...] = ()
    shares_network: tuple[ServiceId, ...] = ()
    volumes: tuple[str, ...] = ()  # what the target keeps its data in
    shares_volumes: tuple[ServiceId, ...] = ()  # who else has one of them open
    data_at_risk: bool = False
    sentence: str = ""
