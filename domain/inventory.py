"""The services and hosts that the mounted repositories declare."""

from enum import StrEnum
from typing import Any

from domain.action import ActionKind
from domain.base import Value
from domain.health import ProbeSpec
from domain.ids import LOCAL_NODE, ServiceId, canonical_name, digest


class ServiceKind(StrEnum):
    """Who runs the service, which decides how an action reaches it."""

    CONTAINER = "container"
    UNIT = "unit"
    EXTERNAL = "external"  # watched, never acted upon


class Limits(Value):
    """Overrides of the owner's default limits for one service; None keeps the default."""

    restarts: int | None = None
    restart_window_s: int | None = None
    redeploys: int | None = None
    redeploy_window_s: int | None = None


class ComposeRef(Value):
    """Where a container's definition lies: a compose file of a mounted repository."""

    project: str
    service: str
    file: str  # absolute path inside the mounted repository


class Service(Value):
    """One thing that can be healthy or not."""

    id: ServiceId
    node: str = LOCAL_NODE
    name: str
    kind: ServiceKind
    target: str = ""  # container or unit name on its node; never shown to be chosen by a model
    aliases: tuple[str, ...] = ()
    probes: tuple[ProbeSpec, ...] = ()
    depends_on: tuple[ServiceId, ...] = ()
    shares_network_of: ServiceId | None = None
    volumes: tuple[str, ...] = ()  # where it keeps data: named volumes and host paths, as its compose file says
    tags: tuple[str, ...] = ()
    actions: tuple[ActionKind, ...] = ()  # kinds that are allowed here at all
    approval: tuple[ActionKind, ...] = ()  # kinds that need a person here
    limits: Limits = Limits()
    compose: ComposeRef | None = None
    critical: bool = False
    repository: str = ""
    notes: str = ""  # the owner's words for a session, untrusted


class InventoryProblem(Value):
    """Something in a repository that could not be used. The rest goes on."""

    repository: str
    file: str
    field: str = ""
    message: str
    fix: str

    def line(self) -> str:
        """One line for a log or a terminal."""
        where = f"{self.repository}/{self.file}" + (f", field '{self.field}'" if self.field else "")
        return f"{where}: {self.message}. Fix: {self.fix}"


class ContainerRules(Value):
    """What a repository's `.claude/container.yaml` leaves to sessions for its services; None: what their tier gives."""

    tools: tuple[str, ...] | None = None  # of the CLI's own
    withheld: dict[str, str] = {}  # tool of any kind: why sessions for its services do not get it
    memory_mb: int | None = None
    cpus: float | None = None
    pids: int | None = None
    disk_mb: int | None = None
    timeout_s: float | None = None
    unusable: str = ""  # why the file cannot be used; then no session for its services starts


class RepositoryNotes(Value):
    """What a repository says in prose, given to sessions as untrusted context."""

    repository: str
    path: str
    manifest: str = ""
    checks: tuple[str, ...] = ()  # file names
    playbooks: tuple[str, ...] = ()
    container: ContainerRules = ContainerRules()
    domains: tuple[str, ...] = ()  # where sessions for its services wish to go, see policy/egress.py


class Inventory(Value):
    """All declared services, combined over all repositories. Resolves every spelling to one service."""

    services: tuple[Service, ...] = ()
    problems: tuple[InventoryProblem, ...] = ()
    repositories: tuple[RepositoryNotes, ...] = ()

    @property
    def revision(self) -> str:
        """Changes if and only if a declared service changes."""
        return digest([s.model_dump(mode="json") for s in self.services])[:16]

    def by_id(self, service: str) -> Service | None:
        """The service with this canonical id."""
        return next((s for s in self.services if s.id == service), None)

    def resolve(self, spelling: str) -> Service | None:
        """The one service that a spelling means: id, name, alias or target, whatever case or width.

        None where nothing or more than one service answers to it: an ambiguous name never acts.
        """
        wanted = canonical_name(spelling)
        exact = self.by_id(wanted)
        if exact is not None:
            return exact
        hits = [s for s in self.services if wanted in spellings(s)]
        return hits[0] if len(hits) == 1 else None

    def dependents(self, service: str) -> tuple[Service, ...]:
        """Everything that depends on `service`, directly or not, in declaration order."""
        found: set[str] = {service}
        grew = True
        while grew:
            grew = False
            for s in self.services:
                needs = {*s.depends_on, *([s.shares_network_of] if s.shares_network_of else [])}
                if s.id not in found and needs & found:
                    found.add(s.id)
                    grew = True
        return tuple(s for s in self.services if s.id in found and s.id != service)


def spellings(service: Service) -> set[str]:
    """Every folded spelling that means this service."""
    names: list[Any] = [service.name, service.target, *service.aliases]
    plain = {canonical_name(n) for n in names if n}
    return plain | {f"{service.node}/{n}" for n in plain} | {service.id}
