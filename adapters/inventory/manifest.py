"""CLAUDE-OPS.md: YAML front matter that declares services, then prose for people and sessions.

    ---
    version: 1
    node: local                  # default node of all services below
    services:
      - name: web                # letters, digits, '.', '_', '-'; the id becomes local/web
        kind: unit               # container, unit or external; may be left out for a service of a compose file
        target: shop-web         # container or unit name on its node; default: the name
        aliases: [shop, frontend]
        probes:                  # kinds and fields: domain/health.py
          - {kind: http, url: "http://127.0.0.1:8000/healthz", timeout_s: 2}
        depends_on: [database]   # names of this file, or <node>/<name>
        shares_network_of: vpn
        tags: [shop]
        actions: [restart, start]      # only these kinds; default: all that the kind of service allows
        approval: [restart]            # these need a person's yes
        limits: {restarts: 1, restart_window_s: 7200, redeploys: 0}
        critical: true
        notes: What a session should know.
    ---
    Prose.

A service with the name of a compose service adds to it.
"""

import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError

from adapters.inventory.bounded_yaml import BadYamlError, load
from adapters.inventory.wording import fix_for, words_for
from domain.action import ActionKind
from domain.base import Declared
from domain.health import ProbeSpec
from domain.ids import LOCAL_NODE
from domain.inventory import InventoryProblem, ServiceKind

MANIFEST = "CLAUDE-OPS.md"
MAX_SERVICES = 2000
MAX_PROSE = 64_000

_FRONT = re.compile(r"\A---[ \t]*\r?\n(.*?)(?:^---[ \t]*\r?$|^\.\.\.[ \t]*\r?$)", re.DOTALL | re.MULTILINE)

Name = Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Alias = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=63, pattern=r"^[^/\x00-\x1f\x7f]+$")
]
Target = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9][A-Za-z0-9@:._-]*$")]
Reference = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=130)]
Probes: TypeAdapter[ProbeSpec] = TypeAdapter(ProbeSpec)


class DeclaredLimits(Declared):
    """Tighter limits for one service than the owner's; looser ones have no effect."""

    restarts: int | None = Field(default=None, ge=0, le=100)
    restart_window_s: int | None = Field(default=None, ge=1, le=604_800)
    redeploys: int | None = Field(default=None, ge=0, le=100)
    redeploy_window_s: int | None = Field(default=None, ge=1, le=604_800)


class DeclaredService(Declared):
    """One entry of `services`. Probes are judged one by one, so that a broken one does not take the others along."""

    name: Name
    node: Name | None = None
    kind: ServiceKind | None = None
    target: Target | None = None
    aliases: list[Alias] = Field(default=[], max_length=50)
    probes: list[Any] = Field(default=[], max_length=50)
    depends_on: list[Reference] = Field(default=[], max_length=100)
    shares_network_of: Reference | None = None
    tags: list[Alias] = Field(default=[], max_length=50)
    actions: list[ActionKind] | None = None
    approval: list[ActionKind] = []
    limits: DeclaredLimits = DeclaredLimits()
    critical: bool = False
    notes: str = Field(default="", max_length=4000)


class DeclaredManifest(Declared):
    """The front matter. Services are judged one by one."""

    version: Literal[1] = 1
    node: Name = LOCAL_NODE
    services: list[Any] = Field(default=[], max_length=MAX_SERVICES)


class Entry(Declared):
    """A service that was declared without a fault, its probes included."""

    index: int
    declared: DeclaredService
    probes: tuple[ProbeSpec, ...]
    probes_broken: bool = False


class Manifest(Declared):
    """What a manifest gave. `rejected` are names whose declaration is broken: their owner wanted to restrict them."""

    node: str = LOCAL_NODE
    entries: tuple[Entry, ...] = ()
    rejected: tuple[str, ...] = ()
    prose: str = ""
    problems: tuple[InventoryProblem, ...] = ()


def parse(repository: str, text: str) -> Manifest:
    """Never raises: what cannot be used becomes a problem, and the rest goes on."""
    match = _FRONT.match(text)
    if match is None:
        if text.startswith("---"):
            problem = _problem(repository, "", "the front matter is not closed", "end it with a line '---'")
            return Manifest(prose=text[:MAX_PROSE], problems=(problem,))
        return Manifest(prose=text[:MAX_PROSE])
    prose = text[match.end() :].strip()[:MAX_PROSE]
    try:
        value = load(match.group(1))
        front = DeclaredManifest.model_validate({} if value is None else value)
    except BadYamlError as e:
        problem = _problem(repository, "", f"the front matter is not usable: {e}", "correct the YAML at that place")
        return Manifest(prose=prose, problems=(problem,))
    except ValidationError as e:
        return Manifest(
            prose=prose, problems=tuple(problems_of(repository, MANIFEST, "", e, DeclaredManifest.model_fields))
        )
    return _services(repository, front, prose)


def _services(repository: str, front: DeclaredManifest, prose: str) -> Manifest:
    entries: list[Entry] = []
    problems: list[InventoryProblem] = []
    rejected: list[str] = []
    for index, raw in enumerate(front.services):
        at = f"services[{index}]"
        try:
            declared = DeclaredService.model_validate(raw)
        except ValidationError as e:
            problems += problems_of(repository, MANIFEST, at, e, DeclaredService.model_fields)
            if isinstance(raw, dict):
                rejected.append(str(raw.get("name", "")))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
            continue
        probes, broken = probes_from(repository, MANIFEST, f"{at}.probes", declared.probes)
        problems += broken
        entries.append(Entry(index=index, declared=declared, probes=probes, probes_broken=bool(broken)))
    return Manifest(
        node=front.node, entries=tuple(entries), rejected=tuple(rejected), prose=prose, problems=tuple(problems)
    )


def probes_from(
    repository: str, file: str, at: str, raw: Iterable[Any]
) -> tuple[tuple[ProbeSpec, ...], list[InventoryProblem]]:
    """The probes that can be used, and a problem for each other one."""
    probes: list[ProbeSpec] = []
    problems: list[InventoryProblem] = []
    for index, item in enumerate(raw):
        try:
            probes.append(Probes.validate_python(item))
        except ValidationError as e:
            problems += problems_of(repository, file, f"{at}[{index}]", e, {})
    return tuple(probes), problems


def problems_of(
    repository: str, file: str, at: str, e: ValidationError, known: Iterable[str]
) -> list[InventoryProblem]:
    """One problem per wrong field, each with the field's full name and its fix."""
    return [
        InventoryProblem(
            repository=repository,
            file=file,
            field=_field(at, error["loc"]),
            message=words_for(error),
            fix=fix_for(error, known),
        )
        for error in e.errors(include_url=False)[:20]
    ]


_KINDS = frozenset({"http", "tcp", "dns", "tls", "container", "unit", "postgres", "redis", "command"})


def _field(at: str, loc: tuple[int | str, ...]) -> str:
    path = at
    for position, part in enumerate(loc):
        if isinstance(part, int):
            path += f"[{part}]"
        elif not (position == 0 and part in _KINDS and at.endswith("]")):  # the union's own tag is no field
            path += f".{part}" if path else part
    return path[:200]


def _problem(repository: str, field: str, message: str, fix: str) -> InventoryProblem:
    return InventoryProblem(repository=repository, file=MANIFEST, field=field, message=message, fix=fix)
