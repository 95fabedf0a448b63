"""Small values for tests of rules: services, inventories, actions, approvals."""

from datetime import UTC, datetime, timedelta

from domain.action import Action, ActionKind, CooldownClass, Risk
from domain.health import ProbeResult, ProbeStatus
from domain.ids import ActionId, ApprovalId, IncidentId, ServiceId, SessionId
from domain.incident import Approval
from domain.inventory import Inventory, Service, ServiceKind

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
WEB = ServiceId("local/web")


def sid(name: str) -> ServiceId:
    return ServiceId(f"local/{name}")


def service(name: str, *needs: str, network: str = "", **more: object) -> Service:
    """A container that allows everything, unless told otherwise."""
    values: dict[str, object] = {
        "id": sid(name),
        "name": name,
        "kind": ServiceKind.CONTAINER,
        "target": f"{name}-1",
        "depends_on": tuple(sid(n) for n in needs),
        "shares_network_of": sid(network) if network else None,
        "actions": tuple(ActionKind),
        **more,
    }
    return Service.model_validate(values)


def inventory(*services: Service) -> Inventory:
    return Inventory(services=services)


def probe(status: ProbeStatus, *, hard: bool = False, summary: str = "") -> ProbeResult:
    return ProbeResult(
        service=WEB,
        probe="http",
        kind="http",
        status=status,
        at=NOON,
        latency_ms=1,
        summary=summary or status.value,
        hard=hard,
    )


def action(**changes: object) -> Action:
    base = Action(
        id=ActionId("act_1"),
        incident=IncidentId("inc_1"),
        session=SessionId("s1"),
        tool_use_id="toolu_1",
        tier=2,
        kind=ActionKind.RESTART,
        target=WEB,
        reason="it hangs",
        risk=Risk.LOW,
        reversible=False,
        cooldown_class=CooldownClass.RESTART,
        requested_at=NOON,
    )
    return base.model_copy(update=changes)


def approval(**changes: object) -> Approval:
    wanted = action()
    base = Approval(
        id=ApprovalId("apr_1"),
        incident=wanted.incident,
        workflow_id="escalation/local/web",
        action=wanted,
        digest=wanted.digest,
        requested_at=NOON,
        expires_at=NOON + timedelta(hours=1),
    )
    return base.model_copy(update=changes)
