"""A service on its way into the inventory: names are not yet resolved, conflicts not yet decided."""

from dataclasses import dataclass, field

from domain.action import ActionKind
from domain.health import ProbeSpec
from domain.inventory import ComposeRef, InventoryProblem, Limits, ServiceKind

ALLOWED: dict[ServiceKind, tuple[ActionKind, ...]] = {
    ServiceKind.CONTAINER: (
        ActionKind.RESTART,
        ActionKind.START,
        ActionKind.UNPAUSE,
        ActionKind.RECREATE,
        ActionKind.COMPOSE_UP,
    ),
    ServiceKind.UNIT: (
        ActionKind.RESTART,
        ActionKind.START,
        ActionKind.UNPAUSE,
        ActionKind.RELOAD_CONFIG,
        ActionKind.RECREATE,
    ),
    ServiceKind.EXTERNAL: (),
}
# What an owner may add to the defaults above by naming it.
POSSIBLE: dict[ServiceKind, frozenset[ActionKind]] = {
    ServiceKind.CONTAINER: frozenset({*ALLOWED[ServiceKind.CONTAINER], ActionKind.RELOAD_CONFIG}),
    ServiceKind.UNIT: frozenset(ALLOWED[ServiceKind.UNIT]),
    ServiceKind.EXTERNAL: frozenset(),
}


@dataclass(frozen=True)
class Draft:
    """`depends_on` and `shares_network_of` are spellings; `file` is where it was declared."""

    repository: str
    file: str
    node: str
    name: str
    kind: ServiceKind
    target: str
    aliases: tuple[str, ...] = ()
    probes: tuple[ProbeSpec, ...] = ()
    depends_on: tuple[str, ...] = ()
    shares_network_of: str = ""
    volumes: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    actions: tuple[ActionKind, ...] = ()
    approval: tuple[ActionKind, ...] = ()
    limits: Limits = field(default_factory=Limits)
    compose: ComposeRef | None = None
    critical: bool = False
    notes: str = ""


@dataclass
class Found:
    """What one repository gave."""

    drafts: list[Draft] = field(default_factory=list[Draft])
    problems: list[InventoryProblem] = field(default_factory=list[InventoryProblem])
    manifest: str = ""
