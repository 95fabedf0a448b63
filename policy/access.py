"""Who may start, and who may look with what."""

from domain.agent import ACT, BUILT_IN_TOOLS, DOCKER_DOOR, LOWEST_ACTING_TIER, Granted
from domain.base import Value
from domain.inventory import Inventory, Service, ServiceKind
from domain.looking import LOOKING_TOOLS, LookingTool, Need, looking_tool
from domain.session import Isolation


class Access(Value):
    """A decision with its reason, both for the audit."""

    allowed: bool
    reason: str


def refusal_to_start(tier: int, isolation: Isolation, scripted: bool) -> str:
    """Why this session may not start here; "" where it may.

    A scripted model cannot be talked into anything, and tier 1 offers no action, so only a real model's
    tiers 2 and 3 need the wall.
    """
    if isolation.isolated or scripted or tier <= 1:
        return ""
    return (
        f"tier {tier} with a real model needs an isolated session, and the {isolation.engine} engine cannot isolate here: "
        f"{isolation.how}. Install bubblewrap (and allow user namespaces) or a Docker engine, then run `tiercel doctor`"
    )


def may_look(name: str, tier: int, present: frozenset[Need], granted: Granted | None = None) -> Access:
    """Whether a session may use this looking tool.

    `present`: what there is on the machine. `granted`: the session's own tools; None, all of its tier.
    """
    tool = looking_tool(name)
    if tool is None:
        return Access(allowed=False, reason=f"there is no looking tool {name[:40]!r}")
    if tier < tool.lowest_tier:
        return Access(allowed=False, reason=f"{name} is offered from tier {tool.lowest_tier} on: {tool.why}")
    if withheld := _withheld(name, granted):
        return Access(allowed=False, reason=f"{name} is not offered: {withheld}")
    if tool.needs not in present:
        return Access(allowed=False, reason=f"{name} is not offered here: this machine has not {tool.needs.value}")
    return Access(allowed=True, reason=tool.why)


def may_read(name: str, granted: Granted | None = None) -> Access:
    """Whether a session may use one of the CLI's own tools, all of which only read."""
    if name not in BUILT_IN_TOOLS:
        return Access(allowed=False, reason="this tool is not offered here")
    if withheld := _withheld(name, granted):
        return Access(allowed=False, reason=f"{name} is not offered: {withheld}")
    return Access(allowed=True, reason="it only reads")


def may_act(tier: int, granted: Granted | None = None) -> Access:
    """Whether a session may ask for actions at all. Which of them are done is decided elsewhere."""
    if tier < LOWEST_ACTING_TIER:
        return Access(allowed=False, reason=f"tier {tier} only observes; report and escalate")
    if withheld := _withheld(ACT, granted):
        return Access(allowed=False, reason=f"this session may not act: {withheld}; report and escalate")
    return Access(allowed=True, reason="its tier may ask for actions")


def _withheld(name: str, granted: Granted | None) -> str:
    """Why a session has not this tool, or ""."""
    if granted is None or name in granted.tools:
        return ""
    # A reason without words withholds no less.
    return granted.withheld.get(name, "").strip() or "it is not among the tools of this session"


def may_read_docker(present: frozenset[Need], granted: Granted | None = None) -> Access:
    """Whether a session may use the read-only Docker API of its door. Every tier may: it shows less than the tools."""
    if withheld := _withheld(DOCKER_DOOR, granted):
        return Access(allowed=False, reason=f"the Docker API is not offered: {withheld}")
    if Need.DOCKER not in present:
        return Access(allowed=False, reason=f"this machine has not {Need.DOCKER.value}")
    return Access(allowed=True, reason="it shows state only")


def looking_for(
    tier: int, present: frozenset[Need], granted: Granted | None = None, inventory: Inventory | None = None
) -> tuple[LookingTool, ...]:
    """The looking tools that a session is offered, in the table's order.

    Those without anything to look at are left out: a list is read by the model, and every word costs. None for
    `inventory`: not known now, so all of them.
    """
    allowed = (t for t in LOOKING_TOOLS if may_look(t.name, tier, present, granted).allowed)
    return tuple(t for t in allowed if inventory is None or has_target(t.name, inventory))


def has_target(name: str, inventory: Inventory) -> bool:
    """Whether the inventory declares anything that this tool looks at."""
    kinds = {p.kind for s in inventory.services for p in s.probes}
    of = {s.kind for s in inventory.services}
    match name:
        case "container_state" | "container_logs" | "container_stats" | "container_events":
            return ServiceKind.CONTAINER in of or "container" in kinds
        case "compose_config":
            return any(s.compose for s in inventory.services)
        case "http_get":
            return "http" in kinds
        case "dns_lookup":
            return bool(kinds & {"http", "tls", "tcp", "dns", "postgres", "redis"})
        case "tls_certificate":
            return "tls" in kinds or any(_has_https(s) for s in inventory.services)
        case "unit_status" | "journal":
            return ServiceKind.UNIT in of or "unit" in kinds
        case "sql_read":
            return any(p.kind == "postgres" and p.read_user for s in inventory.services for p in s.probes)
        case _:
            return True


def _has_https(service: Service) -> bool:
    return any(p.kind == "http" and p.url.startswith("https://") for p in service.probes)
