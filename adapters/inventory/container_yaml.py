"""`.claude/container.yaml` of a repository: what it says about the sessions that look after its services.

Read here: `security.allowedDomains`. Other fields are left to whoever starts containers from it.
"""

from typing import Any, cast

from adapters.inventory.bounded_yaml import BadYamlError, load
from adapters.inventory.wording import shorten
from domain.errors import ConfigurationError
from domain.inventory import InventoryProblem
from policy.egress import MAX_DOMAINS, parse_domain

CONTAINER_FILE = ".claude/container.yaml"
_FIELD = "security.allowedDomains"


def allowed_domains(repository: str, text: str) -> tuple[tuple[str, ...], tuple[InventoryProblem, ...]]:
    """The domains that can be used, and what is wrong with the others."""

    def problem(message: str, fix: str, field: str = _FIELD) -> InventoryProblem:
        return InventoryProblem(repository=repository, file=CONTAINER_FILE, field=field, message=message, fix=fix)

    try:
        raw: Any = load(text)
    except BadYamlError as e:
        return (), (problem(str(e), "correct the YAML", field=""),)
    security: Any = cast("dict[str, Any]", raw).get("security") if isinstance(raw, dict) else None
    listed: Any = cast("dict[str, Any]", security).get("allowedDomains") if isinstance(security, dict) else None
    if listed is None:
        return (), ()
    if not isinstance(listed, list):
        return (), (problem(f"{shorten(listed)} is no list", "write one domain a line, each after '- '"),)
    entries = cast("list[Any]", listed)
    found: list[str] = []
    problems: list[InventoryProblem] = []
    for number, entry in enumerate(entries[:MAX_DOMAINS]):
        try:
            parse_domain(str(entry))
        except ConfigurationError as e:
            message, _, fix = str(e).partition("; ")
            problems.append(problem(message, fix, field=f"{_FIELD}[{number}]"))
        else:
            found.append(str(entry).strip())
    if len(entries) > MAX_DOMAINS:
        problems.append(problem(f"{len(entries)} domains; the first {MAX_DOMAINS} count", "remove some"))
    return tuple(found), tuple(problems)
