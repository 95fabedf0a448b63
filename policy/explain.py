"""An action in words for the person who answers for it: what would run, why it is risky, what else could be done."""

from domain.action import Action, ActionKind, BlastRadius
from domain.base import Value
from domain.incident import Change
from domain.inventory import Inventory, Service, ServiceKind
from policy.actions import TABLE, blast_radius, judge, reach
from policy.params import STOP_WAIT, ParamRule, offered
from policy.text import some

MAX_CHOICES = 60
_WHY: dict[ActionKind, str] = {
    ActionKind.RESTART: "It is away while it starts again; what it was doing is cut off.",
    ActionKind.START: "It begins to run; nothing that runs is stopped.",
    ActionKind.UNPAUSE: "It goes on from where it was paused.",
    ActionKind.RELOAD_CONFIG: "It reads its configuration again, after that passed its own test.",
    ActionKind.RECREATE: "It is thrown away and made anew from its definition; what it wrote outside its volumes is lost.",
    ActionKind.COMPOSE_UP: "It is made anew where its definition has changed.",
}
_DOCKER = {ActionKind.START: "start", ActionKind.UNPAUSE: "unpause"}


class Choice(Value):
    """One action that the rules would allow instead."""

    kind: ActionKind
    target: str
    params: tuple[ParamRule, ...] = ()


def command(action: Action, service: Service | None) -> str:
    """What would run, as a person would type it."""
    if service is None:
        return action.exact
    if service.kind is not ServiceKind.CONTAINER:
        return f"service manager of {service.node}: {action.kind} {service.target}"
    match action.kind:
        case ActionKind.RESTART:
            return f"docker restart --time {action.params.get(STOP_WAIT.name, STOP_WAIT.usual)} {service.target}"
        case ActionKind.RELOAD_CONFIG:
            return f"docker exec {service.target} <its tiercel.reload.test>, then docker kill --signal <its tiercel.reload.signal>"
        case ActionKind.RECREATE | ActionKind.COMPOSE_UP:
            return _compose(action, service)
        case kind:
            return f"docker {_DOCKER[kind]} {service.target}"


def _compose(action: Action, service: Service) -> str:
    anew = " --force-recreate" if action.kind is ActionKind.RECREATE else ""
    if service.compose is None:
        return f"docker stop, rm and create {service.target} with the same settings"
    ref = service.compose
    return (
        f"docker compose --project-name {ref.project} --file {ref.file} up --detach --no-deps --no-build{anew} "
        f"{ref.service}"
    )


def risks(action: Action, blast: BlastRadius) -> tuple[str, ...]:
    """Why it has its risk class, in sentences."""
    lines = [_WHY[action.kind]]
    if not action.reversible:
        lines.append("It cannot be undone.")
    if blast.dependents:
        lines.append(f"{some(len(blast.dependents), 'service needs', 'services need')} it and may fail meanwhile.")
    if blast.data_at_risk:
        lines.append("Its data is opened by whatever its definition names now.")
    return tuple(lines)


def choices(inventory: Inventory, incident: frozenset[str], tier: int, first: str) -> tuple[Choice, ...]:
    """What the rules would let this tier do in this incident, the services nearest to `first` first."""
    near = reach(inventory, incident) if incident else frozenset(s.id for s in inventory.services)
    services = sorted((s for s in inventory.services if s.id in near), key=lambda s: (s.id != first, s.id))
    found = [
        Choice(kind=kind, target=s.id, params=offered(kind, s.kind))
        for s in services
        if s.kind is not ServiceKind.EXTERNAL
        for kind in s.actions
        if TABLE[kind].tier <= tier
    ]
    return tuple(found[:MAX_CHOICES])


class Preview(Value):
    """What an action that somebody thinks of would be, by the rules and the inventory of this moment."""

    refused: str = ""  # why the rules would not let it pass; the rest is then empty
    action: Action | None = None
    blast: BlastRadius | None = None
    command: str = ""
    risks: tuple[str, ...] = ()
    same: bool = False  # it is the action that was asked for


def preview(inventory: Inventory, incident: frozenset[str], asked: Action, change: Change) -> Preview:
    """`change` in place of `asked`: judged, never done. The ledger judges it as well when it is sent."""
    verdict = judge(inventory, incident, asked.tier, change.kind, change.target, dict(change.params))
    if verdict.decision == "deny" or verdict.kind is None or verdict.target is None or verdict.rule is None:
        return Preview(refused=verdict.reason)
    update = {"kind": verdict.kind, "target": verdict.target, "params": verdict.params}
    action = asked.model_copy(update={**update, "risk": verdict.rule.risk, "reversible": verdict.rule.reversible})
    blast = blast_radius(inventory, verdict.target, verdict.kind)
    return Preview(
        action=action,
        blast=blast,
        command=command(action, inventory.by_id(verdict.target)),
        risks=risks(action, blast),
        same=action.digest == asked.digest,
    )
