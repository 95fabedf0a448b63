"""Who may start, and who may look with what."""

from domain.base import Value
from domain.inventory import Inventory, Service, ServiceKind
from domain.looking import LOOKING_TOOLS, LookingTool, Need, looking_tool
from domain.session import Isolation

DOCKER_DOOR = "docker"  # the read-only Docker API of a door, under the name that an agent's list gives it


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


def may_look(name: str, tier: int, present: frozenset[Need], agent_tools: tuple[str, ...] | None = None) -> Access:
    """Whether a session may use this looking tool.

    `present`: what there is on the machine. `agent_tools`: the list of the session's agent; None, all of its tier.
    """
    tool = looking_tool(name)
    if tool is None:
        return Access(allowed=False, reason=f"there is no looking tool {name[:40]!r}")
    if tier < tool.lowest_tier:
        return Access(allowed=False, reason=f"{name} is offered from tier {tool.lowest_tier} on: {tool.why}")
    if agent_tools is not None and name not in agent_tools:
        return Access(allowed=False, reason=f"{name} is not in the list of tools of this session's agent")
    if tool.needs not in present:
        return Access(allowed=False, reason=f"{name} is not offered here: this machine has not {tool.needs.value}")
    return Access(allowed=True, reason=tool.why)


def may_read_docker(present: frozenset[Need], agent_tools: tuple[str, ...] | None = None) -> Access:
    """Whether a session may use the read-only Docker API of its door. Every tier may: it shows less than the tools."""
    if agent_tools is not None and DOCKER_DOOR not in agent_tools:
        return Access(allowed=False, reason="the Docker API is not in the list of tools of this session's agent")
    if Need.DOCKER not in present:
        return Access(allowed=False, reason=f"this machine has not {Need.DOCKER.value}")
    return Access(allowed=True, reason="it shows state only")


def looking_for(
    tier: int, present: frozenset[Need], agent_tools: tuple[str, ...] | None = None, inventory: Inventory | None = None
) -> tuple[LookingTool, ...]:
    """The looking tools that a session is offered, in the table's order.

    Those without anything to look at are left out: a list is read by the model, and every word costs. None for
    `inventory`: not known now, so all of them.
    """
    allowed = (t for t in LOOKING_TOOLS if may_look(t.name, tier, present, agent_tools).allowed)
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
