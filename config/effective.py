"""The settings as they are in effect: each with its value or "set, hidden", and where it came from. Never a secret."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from config import telemetry
from config.logging import secrets_of
from config.settings import Settings, variable_of
from policy.redaction import redactor

HIDDEN = "set, hidden"
DEFAULT, ENVIRONMENT, FILE, UP = "default", "environment", "file", "up"
# The group begins at this field and lasts until the next one. The same headings as in config/settings.py.
GROUPS = {
    "home": "Where things lie",
    "anthropic_api_key": "Credentials",
    "database_url": "Servers",
    "interval_s": "Patrol",
    "dry_run": "Acting",
    "settle_s": "Escalation",
    "engine": "Sessions",
    "gateway_listen": "Sessions on another machine",
    "apprise_urls": "Telling",
    "web_host": "Dashboard",
    "retention_days": "Keeping",
}
TELEMETRY = "Telemetry"
_INTERNAL = frozenset({"sources"})
_NOT_TOLD = "not known to this process: only those that need it are told"
_OTEL_SECRET = frozenset({"OTEL_EXPORTER_OTLP_HEADERS"})


@dataclass(frozen=True)
class Shown:
    """One setting. `value` is "" where nothing is set. `hidden`: a secret, `value` says only whether it is set."""

    variable: str
    group: str
    value: str
    default: str
    source: str  # default, environment, file, up
    hidden: bool
    meaning: str


def sources(environ: Mapping[str, str]) -> dict[str, str]:
    """Where the value of each field that is set comes from."""
    found: dict[str, str] = {}
    for name in Settings.model_fields:
        variable = variable_of(name)
        if environ.get(f"{variable}_FILE"):
            found[name] = FILE
        elif environ.get(variable):
            found[name] = ENVIRONMENT
    return found


def to_text(found: Mapping[str, str]) -> str:
    """Sources for the setting of that name."""
    return " ".join(f"{name}:{source}" for name, source in found.items())


def effective(settings: Settings, environ: Mapping[str, str], *, whole: bool) -> tuple[Shown, ...]:
    """Every setting, in the order of config/settings.py, then those of OpenTelemetry.

    `whole`: this environment is the one that `up` reads. A process that `up` started was told the sources instead;
    one that somebody else started does not know the secrets of the others, and says so.
    """
    told = dict(pair.split(":", 1) for pair in settings.sources.split() if ":" in pair)
    came_from = told or sources(environ)
    knows = whole or bool(told)
    redact = redactor(secrets_of(settings))
    group, rows = "", list[Shown]()
    for name, field in Settings.model_fields.items():
        group = GROUPS.get(name, group)
        if name not in _INTERNAL:
            rows.append(_row(settings, name, field, group, came_from.get(name, DEFAULT), knows, redact))
    return (*rows, *_telemetry(environ, redact))


def _row(
    settings: Settings,
    name: str,
    field: FieldInfo,
    group: str,
    source: str,
    knows: bool,
    redact: Callable[[str], str],
) -> Shown:
    secret = _is_secret(field)
    value = getattr(settings, name)
    return Shown(
        variable=variable_of(name),
        group=group,
        value=_secret_text(settings, name, value, source, knows) if secret else redact(_text(value)),
        default="" if secret else _text(field.get_default(call_default_factory=True, validated_data={})),
        source=source,
        hidden=secret,
        meaning=field.description or "",
    )


def _secret_text(settings: Settings, name: str, value: SecretStr | None, source: str, knows: bool) -> str:
    told = {"anthropic_api_key": "api_key", "claude_oauth_token": "oauth"}.get(name)
    if value is not None or source != DEFAULT or (told and settings.credential == told):
        return HIDDEN
    return "" if knows else _NOT_TOLD


def _is_secret(field: FieldInfo) -> bool:
    return SecretStr in (get_args(field.annotation) or (field.annotation,))


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:g}" if abs(value) < 1e6 else str(value)
        case Path():
            return str(value)
        case _:
            return str(value)


def _telemetry(environ: Mapping[str, str], redact: Callable[[str], str]) -> tuple[Shown, ...]:
    rows: list[Shown] = []
    for variable, meaning in telemetry.VARIABLES.items():
        given, hidden = environ.get(variable, ""), variable in _OTEL_SECRET
        value = HIDDEN if given and hidden else redact(given)
        rows.append(Shown(variable, TELEMETRY, value, "", ENVIRONMENT if given else DEFAULT, hidden, meaning))
    return tuple(rows)


def as_variables(rows: tuple[Shown, ...]) -> str:
    """As a file of variables that could be read again, without the secrets: those are only named."""
    lines = ["# Effective settings of Tiercel, without secrets. Lines with # are at their default, or secret."]
    group = ""
    for row in rows:
        if row.group != group:
            group = row.group
            lines += ["", f"# {group}"]
        value = " ".join(row.value.split())
        if row.hidden:
            lines.append(f"# {row.variable}: {value or 'not set'}")
        else:
            lines.append(f"{'# ' if row.source == DEFAULT else ''}{row.variable}={value}")
    return "\n".join(lines) + "\n"
