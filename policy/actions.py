"""Whether a session's wish may become an action: the table of kinds, and the rules around it.

Nothing here believes a model: kind, target, params and tier are checked against the table and the inventory.
"""

from typing import Any, Literal

from domain.action import ActionKind, BlastRadius, CooldownClass, Risk
from domain.base import Value
from domain.ids import ServiceId
from domain.incident import EscalationPolicy
from domain.inventory import Inventory, Limits, Service, ServiceKind
from domain.ledger import CooldownRule
from policy import params as param_rules
from policy.text import some


class KindRule(Value):
    """One row of the table of actions."""

    tier: int  # lowest tier that may ask
    risk: Risk
    cooldown_class: CooldownClass
    reversible: bool = False
    approval: bool = False


TABLE: dict[ActionKind, KindRule] = {
    ActionKind.RESTART: KindRule(tier=2, risk=Risk.LOW, cooldown_class=CooldownClass.RESTART),
    ActionKind.START: KindRule(tier=2, risk=Risk.LOW, cooldown_class=CooldownClass.RESTART),
    ActionKind.UNPAUSE: KindRule(tier=2, risk=Risk.LOW, cooldown_class=CooldownClass.RESTART, reversible=True),
    ActionKind.RELOAD_CONFIG: KindRule(tier=2, risk=Risk.LOW, cooldown_class=CooldownClass.REMEDY),
    ActionKind.RECREATE: KindRule(tier=3, risk=Risk.MEDIUM, cooldown_class=CooldownClass.REDEPLOY),
    ActionKind.COMPOSE_UP: KindRule(tier=3, risk=Risk.MEDIUM, cooldown_class=CooldownClass.REDEPLOY),
}


class Verdict(Value):
    """The answer to a wish: what it is in our words, and whether it may go on."""

    decision: Literal["allow", "deny", "approval"]
    reason: str = ""
    kind: ActionKind | None = None
    target: ServiceId | None = None
    params: dict[str, Any] = {}
    rule: KindRule | None = None


def _deny(reason: str, kind: ActionKind | None = None, target: ServiceId | None = None) -> Verdict:
    rule = TABLE.get(kind) if kind else None
    return Verdict(decision="deny", reason=reason, kind=kind, target=target, rule=rule)


def judge(
    inventory: Inventory, incident_services: frozenset[str], tier: int, kind: str, target: str, params: dict[str, Any]
) -> Verdict:
    """Resolve and judge one wish. The first rule that it breaks is the reason that the model is told."""
    known = next((k for k in ActionKind if k.value == kind), None)
    if known is None:
        return _deny(f"there is no action '{kind[:60]}'; the kinds are {', '.join(ActionKind)}")
    service = inventory.resolve(target[:200])
    if service is None:
        return _deny(
            f"'{target[:60]}' is not one service of the inventory; ask the tool 'services' for the names", known
        )
    rule = TABLE[known]
    reason = _broken_rule(inventory, incident_services, tier, known, rule, service, params)
    if reason:
        return _deny(reason, known, service.id)
    decision: Literal["allow", "approval"] = "approval" if rule.approval or known in service.approval else "allow"
    return Verdict(decision=decision, kind=known, target=service.id, params=params, rule=rule)


def _broken_rule(
    inventory: Inventory,
    incident: frozenset[str],
    tier: int,
    kind: ActionKind,
    rule: KindRule,
    service: Service,
    params: dict[str, Any],
) -> str:
    wrong = param_rules.broken(kind, service.kind, params)
    if wrong:
        return wrong
    if tier < rule.tier:
        return f"tier {tier} may not {kind}; it starts at tier {rule.tier}: report and escalate"
    if service.kind == ServiceKind.EXTERNAL:
        return f"{service.id} is watched only; nothing may be done to it"
    if kind not in service.actions:
        offered = ", ".join(service.actions) or "none"
        return f"{service.id} does not allow {kind}; allowed: {offered}"
    if incident and service.id not in reach(inventory, incident):
        return f"{service.id} has no part in this incident; only its services, what they need and what needs them"
    return ""


def reach(inventory: Inventory, services: frozenset[str]) -> frozenset[str]:
    """The services of an incident, everything they depend on and everything that depends on them.

    Not what else those dependents need: a proxy in front of everything would put everything within reach.
    """
    dependents = {s.id for sid in services for s in inventory.dependents(sid)}
    needed = set(services)
    grew = True
    while grew:
        needs = {d for s in inventory.services if s.id in needed for d in (*s.depends_on, *_network(s))}
        grew = not needs <= needed
        needed |= needs
    return frozenset(needed | dependents)


def _network(service: Service) -> tuple[ServiceId, ...]:
    return (service.shares_network_of,) if service.shares_network_of else ()


def blast_radius(inventory: Inventory, target: str, kind: ActionKind) -> BlastRadius:
    """Who else notices when `kind` is done to `target`, and whose data has a part in it."""
    service = inventory.by_id(target)
    dependents = tuple(s.id for s in inventory.dependents(target))
    network = tuple(s.id for s in inventory.services if s.shares_network_of == target)
    volumes = service.volumes if service else ()
    node = service.node if service else ""
    sharers = tuple(
        s.id for s in inventory.services if s.id != target and s.node == node and set(volumes) & set(s.volumes)
    )
    replaced = kind in {ActionKind.RECREATE, ActionKind.COMPOSE_UP}
    parts = [
        f"{some(len(dependents), 'service depends', 'services depend')} on it: {', '.join(dependents)}"
        if dependents
        else "nothing else depends on it"
    ]
    if network and replaced:
        parts.append(f"{', '.join(network)} share its network and must be recreated too")
    if sharers:
        parts.append(f"{', '.join(sharers)} use the same data")
    parts.append(_data_words(volumes, replaced=replaced))
    return BlastRadius(
        dependents=dependents,
        shares_network=network,
        volumes=volumes,
        shares_volumes=sharers,
        data_at_risk=replaced and bool(volumes),
        sentence="; ".join(parts) + ".",
    )


def _data_words(volumes: tuple[str, ...], *, replaced: bool) -> str:
    if not replaced:
        return "no data is touched"
    if volumes:
        return f"its definition is applied anew; volumes are kept, and whatever it names now opens {', '.join(volumes)}"
    return "its definition is applied anew; volumes are kept, what it wrote anywhere else is lost"


def cooldown_rule(policy: EscalationPolicy, limits: Limits, cooldown_class: CooldownClass) -> CooldownRule:
    """The owner's rule for a class, tightened by the service's own limits where it has any.

    A repository can only tighten: whoever can write a manifest must not be able to give himself more slots.
    """
    match cooldown_class:
        case CooldownClass.RESTART:
            limit, window = limits.restarts, limits.restart_window_s
            default = CooldownRule(limit=policy.restart_limit, window_s=policy.restart_window_s)
        case CooldownClass.REDEPLOY:
            limit, window = limits.redeploys, limits.redeploy_window_s
            default = CooldownRule(limit=policy.redeploy_limit, window_s=policy.redeploy_window_s)
        case CooldownClass.REMEDY:
            return CooldownRule(limit=policy.remedy_limit, window_s=policy.remedy_window_s)
    return CooldownRule(
        limit=default.limit if limit is None else min(limit, default.limit),
        window_s=default.window_s if window is None else max(float(window), default.window_s),
    )
