"""Values for tests of the record: valid, small, and changed by keyword."""

from datetime import UTC, datetime, timedelta
from typing import Any

from domain.action import Action, ActionKind, CooldownClass, Risk
from domain.health import ProbeResult, ProbeStatus, ServiceHealth, ServiceStatus
from domain.ids import ActionId, ApprovalId, IncidentId, PermitId, ServiceId, SessionId
from domain.incident import Alert, Approval, Timeline
from domain.inventory import Inventory, Service, ServiceKind
from domain.ledger import Permit, PermitState
from domain.notice import Notice, NoticeKind
from domain.session import (
    Isolation,
    ModelCall,
    OutputLine,
    SessionOrder,
    SessionOutcome,
    SessionStatus,
    TierReport,
    TierSettings,
    Usage,
)

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
APP = ServiceId("local/app")
INCIDENT = IncidentId("inc_0001")
SESSION = SessionId("5f0c6a4e-0000-5000-8000-000000000001")
WALLED = Isolation(engine="process", isolated=True, how="bubblewrap")


def at(seconds: float) -> datetime:
    """`seconds` after noon."""
    return NOON + timedelta(seconds=seconds)


def a_result(service: str = APP, seconds: float = 0, **changes: Any) -> ProbeResult:
    """One healthy probe."""
    plain: dict[str, Any] = {
        "service": service,
        "probe": "http",
        "kind": "http",
        "status": ProbeStatus.OK,
        "at": at(seconds),
        "latency_ms": 12.5,
        "summary": "200 in 12 ms",
    }
    return ProbeResult(**(plain | changes))


def a_health(service: str = APP, seconds: float = 0, **changes: Any) -> ServiceHealth:
    """A service that is up since noon."""
    plain: dict[str, Any] = {
        "service": service,
        "status": ServiceStatus.UP,
        "since": NOON,
        "last_probe_at": at(seconds),
    }
    return ServiceHealth(**(plain | changes))


def an_alert(service: str = APP, seconds: float = 0, **changes: Any) -> Alert:
    """A failing probe of one service."""
    failing = a_result(service, seconds, status=ProbeStatus.FAIL, summary="no answer")
    plain: dict[str, Any] = {
        "service": service,
        "results": (failing,),
        "summary": "app does not answer",
        "at": at(seconds),
    }
    return Alert(**(plain | changes))


def an_action(**changes: Any) -> Action:
    """A restart that was asked for."""
    plain: dict[str, Any] = {
        "id": ActionId("act_1"),
        "incident": INCIDENT,
        "session": SESSION,
        "tool_use_id": "toolu_1",
        "tier": 2,
        "kind": ActionKind.RESTART,
        "target": APP,
        "risk": Risk.LOW,
        "reversible": False,
        "cooldown_class": CooldownClass.RESTART,
        "requested_at": NOON,
    }
    return Action(**(plain | changes))


def a_permit(**changes: Any) -> Permit:
    """A reserved restart."""
    plain: dict[str, Any] = {
        "id": PermitId("per_1"),
        "service": APP,
        "kind": ActionKind.RESTART,
        "cooldown_class": CooldownClass.RESTART,
        "state": PermitState.RESERVED,
        "granted_at": NOON,
        "expires_at": at(600),
        "holder": INCIDENT,
    }
    return Permit(**(plain | changes))


def an_approval(**changes: Any) -> Approval:
    """One that waits for a person."""
    action = an_action()
    plain: dict[str, Any] = {
        "id": ApprovalId("apr_1"),
        "incident": INCIDENT,
        "workflow_id": "escalation/local/app",
        "action": action,
        "digest": action.digest,
        "requested_at": NOON,
        "expires_at": at(86_400),
    }
    return Approval(**(plain | changes))


def an_entry(text: str = "noticed", seconds: float = 0, **changes: Any) -> Timeline:
    """One entry of an incident's history."""
    plain: dict[str, Any] = {"incident": INCIDENT, "at": at(seconds), "kind": "opened", "text": text}
    return Timeline(**(plain | changes))


def an_order(**changes: Any) -> SessionOrder:
    """A session of tier 1."""
    tier = TierSettings(tier=1, name="observe", model="claude-haiku-5-5", timeout_s=300, max_turns=30, budget_usd=0.1)
    plain: dict[str, Any] = {
        "session": SESSION,
        "incident": INCIDENT,
        "workflow_id": "escalation/local/app",
        "workflow_run_id": "run-1",
        "tier": tier,
    }
    return SessionOrder(**(plain | changes))


def an_outcome(**changes: Any) -> SessionOutcome:
    """A session that reported."""
    plain: dict[str, Any] = {
        "session": SESSION,
        "attempt": 1,
        "status": SessionStatus.COMPLETED,
        "report": TierReport(summary="app hangs", escalate=True, escalate_reason="needs a restart"),
        "usage": Usage(input_tokens=100, output_tokens=20, cost_usd=0.01),
        "lines": 3,
        "started_at": NOON,
        "ended_at": at(30),
    }
    return SessionOutcome(**(plain | changes))


def a_call(**changes: Any) -> ModelCall:
    """One model request."""
    plain: dict[str, Any] = {
        "id": "call-1",
        "session": SESSION,
        "incident": INCIDENT,
        "at": NOON,
        "model": "claude-haiku-5-5",
        "status": 200,
        "input_tokens": 100,
        "output_tokens": 20,
        "cost_usd": 0.01,
    }
    return ModelCall(**(plain | changes))


def a_notice(**changes: Any) -> Notice:
    """One message to people."""
    plain: dict[str, Any] = {
        "key": "inc_0001/noticed",
        "kind": NoticeKind.NOTICED,
        "title": "app does not answer",
        "body": "Tier 1 looks at it.",
        "incident": INCIDENT,
    }
    return Notice(**(plain | changes))


def an_inventory(*names: str) -> Inventory:
    """Containers by name on this machine."""
    return Inventory(
        services=tuple(Service(id=ServiceId(f"local/{n}"), name=n, kind=ServiceKind.CONTAINER, target=n) for n in names)
    )


def lines(first: int, last: int, text: str = "line") -> list[OutputLine]:
    """Numbered lines of output."""
    return [OutputLine(seq=n, at=at(n), text=f"{text} {n}") for n in range(first, last + 1)]
