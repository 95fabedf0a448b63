"""Compose files: each service becomes a container service with the probes that its own words allow.

Understood: container_name, depends_on, `network_mode: service:x`, volumes, ports, healthcheck, profiles, and the labels
`tiercel.aliases` ("a, b"), `tiercel.probes` (a YAML list of probes), `tiercel.ignore` ("true").
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adapters.inventory.bounded_yaml import BadYamlError, load
from adapters.inventory.compose_ports import Published, published
from adapters.inventory.compose_volumes import data_of
from adapters.inventory.draft import ALLOWED, Draft, Found
from adapters.inventory.interpolation import UnsetVariableError, interpolate
from adapters.inventory.manifest import probes_from
from domain.health import ContainerProbe, HttpProbe, ProbeSpec, TcpProbe
from domain.ids import LOCAL_NODE, canonical_name, is_name
from domain.inventory import ComposeRef, InventoryProblem, ServiceKind

FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
_WEB_PORTS = frozenset({80, 3000, 5000, 8000, 8080, 8096, 8123, 9000})
_TLS_PORTS = frozenset({443, 8443})
_ANY_ANSWER = (*HttpProbe.model_fields["expect_status"].default, 400, 404, 405)
_CHECKED_URL = re.compile(r"https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])(?::(\d{1,5}))?(/[^\s'\"|;&)]*)?")
_TARGET = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}")
_ALIAS = re.compile(r"[^/\x00-\x1f\x7f]{1,63}")


def read_compose(repository: str, root: Path, file: str, text: str, env: Mapping[str, str]) -> Found:
    """Never raises: what cannot be used becomes a problem."""
    found = Found()
    try:
        value = load(text)
    except BadYamlError as e:
        found.problems.append(_problem(repository, file, "", f"not usable: {e}", "correct the YAML at that place"))
        return found
    services = value.get("services") if isinstance(value, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if not isinstance(services, dict):
        found.problems.append(
            _problem(repository, file, "services", "it is missing", "add 'services', or rename the file")
        )
        return found
    path = root / file
    project = _project(value, path, env)  # pyright: ignore[reportUnknownArgumentType]
    table: dict[str, Any] = {str(k): v for k, v in services.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    for name, body in table.items():
        try:
            draft = _Reader(repository, file, str(path), project, env, found).draft(name, body)
        except (UnsetVariableError, ValueError) as e:
            fix = (
                "set it in the .env beside the file, or give it a default"
                if isinstance(e, UnsetVariableError)
                else "correct it"
            )
            found.problems.append(_problem(repository, file, f"services.{name}"[:120], str(e)[:200], fix))
            continue
        if draft is not None:
            found.drafts.append(draft)
    return found


class _Reader:
    """Reads the services of one file."""

    def __init__(
        self, repository: str, file: str, path: str, project: str, env: Mapping[str, str], found: Found
    ) -> None:
        self._repository = repository
        self._file = file
        self._path = path
        self._project = project
        self._env = env
        self._found = found

    def draft(self, name: str, body: Any) -> Draft | None:
        if not is_name(canonical_name(name)):
            raise ValueError("this is no usable service name; use letters, digits, '.', '_' and '-'")
        if not isinstance(body, dict):
            raise ValueError("a service must be a mapping")  # noqa: TRY004 - caught as one kind of bad input
        fields: dict[str, Any] = {str(k): v for k, v in body.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        labels = self._labels(fields.get("labels"))
        if fields.get("profiles") or labels.get("tiercel.ignore", "").lower() in {"true", "yes", "1"}:
            return None  # a profile is not up unless somebody asks for it
        target = self._text(fields.get("container_name")) or f"{self._project}-{name}-1"
        if not _TARGET.fullmatch(target):
            raise ValueError(f"container_name {target[:60]!r} is no container name")
        return Draft(
            repository=self._repository,
            file=self._file,
            node=LOCAL_NODE,
            name=name,
            kind=ServiceKind.CONTAINER,
            target=target,
            aliases=tuple(
                a.strip() for a in labels.get("tiercel.aliases", "").split(",") if _ALIAS.fullmatch(a.strip())
            ),
            probes=self._probes(name, fields, target, labels),
            depends_on=_names(fields.get("depends_on")),
            shares_network_of=_service_of(self._text(fields.get("network_mode"))),
            volumes=data_of(
                fields.get("volumes"), self._project, str(Path(self._path).parent), lambda t: interpolate(t, self._env)
            ),
            actions=ALLOWED[ServiceKind.CONTAINER],
            compose=ComposeRef(project=self._project, service=name, file=self._path),
        )

    def _probes(self, name: str, fields: dict[str, Any], target: str, labels: dict[str, str]) -> tuple[ProbeSpec, ...]:
        own: ProbeSpec = ContainerProbe(container=target)
        if "tiercel.probes" in labels:
            at = f"services.{name}.labels.tiercel.probes"
            try:
                raw = load(labels["tiercel.probes"])
            except BadYamlError as e:
                raise ValueError(f"label tiercel.probes: {e}") from e
            declared, problems = probes_from(self._repository, self._file, at, raw if isinstance(raw, list) else [raw])  # pyright: ignore[reportUnknownArgumentType]
            self._found.problems += problems
            return (own, *declared)
        ports = published(fields.get("ports"), lambda text: interpolate(text, self._env))
        return (own, *_port_probes(ports, self._healthcheck(fields.get("healthcheck"))))

    def _healthcheck(self, raw: Any) -> str:
        test = raw.get("test") if isinstance(raw, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        words = [str(w) for w in test] if isinstance(test, list) else [str(test or "")]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        try:
            return interpolate(" ".join(words), self._env)
        except UnsetVariableError:
            return ""  # compose leaves $$VAR to the container; then we do not know the address either

    def _labels(self, raw: Any) -> dict[str, str]:
        if isinstance(raw, list):
            pairs = (str(item).partition("=") for item in raw)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            given = {k: v for k, _, v in pairs}
        elif isinstance(raw, dict):
            given = {str(k): "" if v is None else str(v) for k, v in raw.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        else:
            return {}
        return {k: interpolate(v, self._env) for k, v in given.items() if k.startswith("tiercel.")}

    def _text(self, value: Any) -> str:
        return interpolate(str(value), self._env) if isinstance(value, str | int) else ""


def _port_probes(ports: list[Published], healthcheck: str) -> list[ProbeSpec]:
    match = _CHECKED_URL.search(healthcheck)
    checked = int(match[1] or (443 if match[0].startswith("https") else 80)) if match else 0
    probes: list[ProbeSpec] = []
    for number, port in enumerate(ports):
        label = "" if len(ports) == 1 else f"-{port.port}"
        if match and port.target == checked:
            scheme = "https" if match[0].startswith("https") else "http"
            url = f"{scheme}://{port.url_host}:{port.port}{match[2] or '/'}"
            probes.append(HttpProbe(name=f"http{label}", url=url, verify_tls=False))
        elif port.target in _WEB_PORTS | _TLS_PORTS:
            scheme = "https" if port.target in _TLS_PORTS else "http"
            url = f"{scheme}://{port.url_host}:{port.port}/"
            probes.append(HttpProbe(name=f"http{label}", url=url, verify_tls=False, expect_status=_ANY_ANSWER))
        else:
            probes.append(TcpProbe(name=f"tcp{label}", host=port.host, port=port.port))
        if number >= 9:
            break
    return probes


def _project(value: dict[str, Any], path: Path, env: Mapping[str, str]) -> str:
    given = value.get("name") or env.get("COMPOSE_PROJECT_NAME") or path.parent.name
    try:
        given = interpolate(str(given), env)
    except UnsetVariableError:
        given = path.parent.name
    return re.sub(r"[^a-z0-9_-]", "", given.lower()).lstrip("_-") or "default"


def _names(raw: Any) -> tuple[str, ...]:
    return tuple(str(n) for n in raw) if isinstance(raw, list | dict) else ()  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _service_of(network_mode: str) -> str:
    return network_mode.removeprefix("service:") if network_mode.startswith("service:") else ""


def _problem(repository: str, file: str, field: str, message: str, fix: str) -> InventoryProblem:
    return InventoryProblem(repository=repository, file=file, field=field, message=message, fix=fix)
