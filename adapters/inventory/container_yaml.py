"""`.claude/container.yaml` of a repository: what it says about the sessions that look after its services.

    name: shop
    baseImage: tiercel-session:latest   # only the owner's image (TIERCEL_SESSION_IMAGE)
    tools:
      allowed: [Read, Grep]             # of the CLI's own
      withheld: {sql_read: the data of customers stay here}
    mcpServers: [{name: tiercel}]
    resources: {memory: 512Mi, cpu: "0.5", pids: 128, disk: 1Gi, timeout: 600s}
    security:
      runAsUser: 1000
      readOnlyRoot: true
      noNewPrivileges: true
      dropCapabilities: [ALL]
      networkMode: none
      allowedDomains: [api.example.org]

It can take away from what a tier gives. A wish for more is told as a problem and not granted. A file that cannot be
understood holds its repository's sessions back: it may have wanted to restrict.
"""

import difflib
import re
from typing import Annotated, Any, Literal, cast

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from adapters.inventory.bounded_yaml import BadYamlError, load
from adapters.inventory.wording import WrongValueError, fix_for, shorten, words_for
from domain.agent import TOOLS
from domain.base import Declared, Value
from domain.errors import ConfigurationError
from domain.inventory import ContainerRules, InventoryProblem
from policy.egress import MAX_DOMAINS, parse_domain
from policy.text import printable

CONTAINER_FILE = ".claude/container.yaml"
SERVERS = frozenset({"tiercel"})  # claude.gate.SERVER
_DOMAINS = "security.allowedDomains"
_MB = 1 << 20
_SIZES = {"": 1, "k": 1000, "M": 1000**2, "G": 1000**3, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}
_TIMES = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
_LEAST_TIME_S = 30.0


def _amount(value: Any, units: dict[str, float] | dict[str, int], example: str) -> float:
    found = re.fullmatch(r"(\d{1,12}(?:\.\d{1,6})?)([A-Za-z]*)", str(value).strip()) if _plain(value) else None
    if found is None or found[2] not in units:
        raise WrongValueError("it is no amount that is known here", f"write {example}")
    return float(found[1]) * units[found[2]]


def _plain(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _megabytes(least: int, example: str) -> BeforeValidator:
    def read(value: Any) -> int:
        found = int(_amount(value, _SIZES, example) / _MB)
        if found < least:
            raise WrongValueError(f"no session can work with less than {least} MB", f"write {example}")
        return found

    return BeforeValidator(read)


def _seconds(value: Any) -> float:
    found = _amount(value, _TIMES, "600s, 10m or 1h")
    if found < _LEAST_TIME_S:
        raise WrongValueError(f"no session can work in less than {_LEAST_TIME_S:g} s", "write 600s, 10m or 1h")
    return found


def _cpus(value: Any) -> float:
    found = _amount(value, {"": 1.0, "m": 0.001}, '"2", "0.5" or 500m')
    if found < 0.1:
        raise WrongValueError("no session can work with less than a tenth of a processor", 'write "2", "0.5" or 500m')
    return found


def _reference(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}", value):
        fix = "write ${NAME} and set NAME where Tiercel runs"
        raise WrongValueError("a value must not stand in a repository", fix, secret=True)
    return value


def _tool(value: Any) -> str:
    if value not in TOOLS:
        near = difflib.get_close_matches(str(value), TOOLS, n=1)
        fix = f"did you mean '{near[0]}'?" if near else f"use one of {', '.join(TOOLS)}"
        raise WrongValueError("no session has a tool of this name", fix)
    return str(value)


Why = Annotated[str, StringConstraints(min_length=3, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Tool = Literal["Read", "Grep", "Glob", "Write", "Edit", "Bash", "Browser", "WebFetch", "WebSearch"]
Word = Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Image = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[A-Za-z0-9][A-Za-z0-9./:@_-]*$")]


class _Part(Declared):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Tools(_Part):
    """Which of a session's built-in tools are left, and which tools of any kind it does not get, with the reason."""

    allowed: list[Tool] | None = None
    withheld: dict[Annotated[str, BeforeValidator(_tool)], Why] = Field(default={}, max_length=len(TOOLS))


class Server(_Part):
    """An MCP server by its name."""

    name: Word
    env: dict[Word, Annotated[str, BeforeValidator(_reference)]] = {}


class Resources(_Part):
    """At most this much, where the tier gives more."""

    memory: Annotated[int, _megabytes(192, "512Mi or 2Gi")] | None = None
    timeout: Annotated[float, BeforeValidator(_seconds)] | None = None
    cpu: Annotated[float, BeforeValidator(_cpus)] | None = None
    pids: int | None = Field(default=None, ge=64, le=100_000)
    disk: Annotated[int, _megabytes(64, "512Mi or 2Gi")] | None = None


class Security(_Part):
    """What every session is anyway; said here, it is checked."""

    run_as_user: int | None = Field(default=None, alias="runAsUser", ge=1)
    read_only_root: bool | None = Field(default=None, alias="readOnlyRoot")
    no_new_privileges: bool | None = Field(default=None, alias="noNewPrivileges")
    drop_capabilities: list[Word] | None = Field(default=None, alias="dropCapabilities")
    network_mode: Literal["none", "bridge"] | None = Field(default=None, alias="networkMode")
    allowed_domains: Any = Field(default=None, alias="allowedDomains")


class DeclaredContainer(_Part):
    """The whole file."""

    name: Word | None = None
    base_image: Image | None = Field(default=None, alias="baseImage")
    tools: Tools | None = None
    mcp_servers: list[Server] | None = Field(default=None, alias="mcpServers", max_length=50)
    resources: Resources | None = None
    security: Security | None = None


_KNOWN = [
    field.alias or name
    for part in (DeclaredContainer, Tools, Server, Resources, Security)
    for name, field in part.model_fields.items()
]


class ContainerFile(Value):
    """What a file gave."""

    rules: ContainerRules = ContainerRules()
    domains: tuple[str, ...] = ()
    problems: tuple[InventoryProblem, ...] = ()


def read_container(repository: str, text: str, image: str) -> ContainerFile:
    """Never raises. `image`: the owner's session image."""
    try:
        raw: Any = load(text)
        declared = DeclaredContainer.model_validate({} if raw is None else raw)
    except BadYamlError as e:
        return _unusable([_problem(repository, "", str(e), "correct the YAML")])
    except ValidationError as e:
        problems = [
            _problem(repository, _path(error["loc"]), words_for(error), fix_for(error, _KNOWN))
            for error in e.errors(include_url=False)[:20]
        ]
        return _unusable(problems)
    security = declared.security or Security()
    domains, wrong = _domains(repository, security.allowed_domains)
    return ContainerFile(
        rules=_rules(declared), domains=domains, problems=(*_not_given(repository, declared, image), *wrong)
    )


def _rules(declared: DeclaredContainer) -> ContainerRules:
    resources, tools = declared.resources or Resources(), declared.tools or Tools()
    return ContainerRules(
        tools=None if tools.allowed is None else tuple(tools.allowed),
        withheld={name: printable(why) for name, why in tools.withheld.items()},
        memory_mb=resources.memory,
        timeout_s=resources.timeout,
        cpus=resources.cpu,
        pids=resources.pids,
        disk_mb=resources.disk,
    )


def _unusable(problems: list[InventoryProblem]) -> ContainerFile:
    return ContainerFile(rules=ContainerRules(unusable=problems[0].line()[:500]), problems=tuple(problems))


def _not_given(repository: str, declared: DeclaredContainer, image: str) -> list[InventoryProblem]:
    """Wishes for more than any session gets. The rest of the file holds."""
    security = declared.security or Security()
    found: list[tuple[str, str, str]] = []
    if declared.base_image not in {None, image}:
        found.append(("baseImage", f"sessions run in {image}", "remove it, or set TIERCEL_SESSION_IMAGE to it"))
    for number, server in enumerate(declared.mcp_servers or ()):
        if server.name not in SERVERS:
            message = f"sessions have no server '{server.name}', only {', '.join(sorted(SERVERS))}"
            found.append((f"mcpServers[{number}].name", message, "remove it"))
    if security.read_only_root is False:
        found.append(("security.readOnlyRoot", "it is always read-only", "write true"))
    if security.no_new_privileges is False:
        found.append(("security.noNewPrivileges", "no session ever gets new ones", "write true"))
    if security.drop_capabilities is not None and security.drop_capabilities != ["ALL"]:
        found.append(("security.dropCapabilities", "all are always dropped", "write [ALL]"))
    if security.network_mode == "bridge":
        fix = "write none, and name what it needs in allowedDomains"
        found.append(("security.networkMode", "no session has a network of its own", fix))
    return [_problem(repository, *each) for each in found]


def _domains(repository: str, listed: Any) -> tuple[tuple[str, ...], tuple[InventoryProblem, ...]]:
    """The domains that can be used, and what is wrong with the others."""
    if listed is None:
        return (), ()
    if not isinstance(listed, list):
        fix = "write one domain a line, each after '- '"
        return (), (_problem(repository, _DOMAINS, f"{shorten(listed)} is no list", fix),)
    entries = cast("list[Any]", listed)
    found: list[str] = []
    problems: list[InventoryProblem] = []
    for number, entry in enumerate(entries[:MAX_DOMAINS]):
        try:
            parse_domain(str(entry))
        except ConfigurationError as e:
            message, _, fix = str(e).partition("; ")
            problems.append(_problem(repository, f"{_DOMAINS}[{number}]", message, fix))
        else:
            found.append(str(entry).strip())
    if len(entries) > MAX_DOMAINS:
        message = f"{len(entries)} domains; the first {MAX_DOMAINS} count"
        problems.append(_problem(repository, _DOMAINS, message, "remove some"))
    return tuple(found), tuple(problems)


def _path(loc: tuple[int | str, ...]) -> str:
    parts = [part for part in loc if part != "[key]"]  # pydantic's word for a name that is wrong itself
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).lstrip(".")[:200]


def _problem(repository: str, field: str, message: str, fix: str) -> InventoryProblem:
    return InventoryProblem(repository=repository, file=CONTAINER_FILE, field=field, message=message, fix=fix)
