"""All settings, from the environment and nowhere else. `NAME_FILE` reads a secret from a file.

A wrong value stops the start with one line that names the variable and the fix. A `TIERCEL_*` variable that
does not exist is an error too: a misspelt limit must not be silently ignored.
"""

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from config import remote
from domain.budget import BudgetLimits
from domain.errors import ConfigurationError
from domain.ids import canonical_name, is_name
from domain.incident import EscalationPolicy
from domain.links import Addresses
from domain.memory import MemoryRule
from domain.session import Limits, TierSettings
from policy.people import networks_of

PREFIX = "TIERCEL_"
PLAIN = ("ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN", "DATABASE_URL", "TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE")


class Settings(BaseModel):
    """One field per variable: `interval_s` is read from TIERCEL_INTERVAL_S unless the field names another."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    # Where things lie
    home: Path = Field(default_factory=lambda: Path.home() / ".tiercel", description="State: database, sessions, logs")
    cache_dir: Path = Field(
        default_factory=lambda: Path.home() / ".cache" / "tiercel", description="Built servers, kept between checkouts"
    )
    repos_dir: Path = Field(default=Path("/repos"), description="Folder whose sub-folders are the mounted repositories")
    commands_dir: Path | None = Field(default=None, description="Programs that `command` probes may name")
    units_socket: Path | None = Field(
        default=None, description="Control socket of the service manager that runs `unit` services on this node"
    )

    # Credentials (only the gateway process reads their values)
    anthropic_api_key: SecretStr | None = Field(
        default=None, validation_alias="ANTHROPIC_API_KEY", description="API key for Claude"
    )
    claude_oauth_token: SecretStr | None = Field(
        default=None,
        validation_alias="CLAUDE_CODE_OAUTH_TOKEN",
        description="Subscription token from `claude setup-token`",
    )
    credential: Literal["", "api_key", "oauth"] = Field(
        default="", description="Set by `up` for processes that must not see the credential itself"
    )
    model_url: str = Field(default="https://api.anthropic.com", description="Where the gateway sends model requests")
    scripted: bool = Field(default=False, description="The model is our scripted server; every page says so")

    # Servers
    database_url: SecretStr | None = Field(
        default=None, validation_alias="DATABASE_URL", description="Postgres; empty: we run our own"
    )
    temporal_address: str = Field(
        default="", validation_alias="TEMPORAL_ADDRESS", description="host:port; empty: we run our own"
    )
    temporal_namespace: str = Field(
        default="default", validation_alias="TEMPORAL_NAMESPACE", description="Temporal namespace"
    )
    temporal_source: Literal["auto", "path", "wheel", "download", "build"] = Field(
        default="auto", description="Where our own Temporal comes from"
    )
    temporal_port: int = Field(default=7233, ge=1, le=65535, description="Port of our own Temporal server")
    temporal_ui_port: int = Field(default=8233, ge=1, le=65535, description="Port of our own Temporal UI")
    temporal_ui_url: str = Field(
        default="",
        pattern=r"^(https?://\S+)?$",
        description="Address of the Temporal UI that pages link to; empty: our own server's",
    )
    trace_ui_url: str = Field(
        default="",
        pattern=r"^(https?://\S+)?$",
        description="Address of Jaeger's UI; pages then link to traces, for example http://127.0.0.1:16686",
    )

    # Patrol
    interval_s: int = Field(default=3600, ge=5, description="Seconds between patrols")
    cron: str = Field(default="", description="Cron expression instead of an interval")
    timezone: str = Field(
        default="UTC", description="Time zone of the cron expression, the daily digest and the budgets"
    )
    jitter_s: int = Field(default=0, ge=0, description="Random delay of each patrol, at most this")
    confirm_after_s: float = Field(
        default=10.0, ge=0, description="A failing probe is repeated after this time before anything opens"
    )
    look_every_s: int = Field(default=0, ge=0, description="Seconds between regular looks by tier 1; 0: never")

    # Acting
    dry_run: bool = Field(default=True, description="Decide and record, perform nothing")
    restart_limit: int = Field(default=2, ge=0, description="Restarts per service and window")
    restart_window_s: float = Field(default=14_400, gt=0, le=604_800, description="Window of the restart limit")
    redeploy_limit: int = Field(default=1, ge=0, description="Redeployments per service and window")
    redeploy_window_s: float = Field(default=86_400, gt=0, le=604_800, description="Window of the redeployment limit")
    remedy_limit: int = Field(default=4, ge=0, description="Other remedies per service and window")
    remedy_window_s: float = Field(default=14_400, gt=0, le=604_800, description="Window of the remedy limit")
    approval_timeout_s: float = Field(
        default=86_400, gt=0, description="An unanswered approval is a denial after this time"
    )

    # Escalation
    settle_s: float = Field(default=5.0, ge=0, description="Recovery within this time is self-healing")
    verify_window_s: float = Field(default=60.0, gt=0, description="Probes must stay green this long")
    verify_interval_s: float = Field(default=5.0, gt=0, description="Time between verifying probes")
    verify_timeout_s: float = Field(default=180.0, gt=0, description="Give up verifying after this time")
    rechecks_s: str = Field(default="60,600,3600", description="Re-checks after a fix, seconds, comma separated")

    # Sessions
    engine: Literal["auto", "process", "container"] = Field(default="auto", description="How sessions are walled in")
    claude_bin: Path | None = Field(default=None, description="Another Claude Code CLI than the locked one")
    max_sessions: int = Field(
        default=3, ge=0, le=32, description="Sessions that run at the same time; 0: another machine runs them"
    )
    spare_runners: int = Field(
        default=1,
        ge=0,
        le=8,
        description="Runners that are started ahead of need, so that the next tier-1 session begins at once; each takes about 20 MB; 0: none",
    )
    session_image: str = Field(default="tiercel-session:latest", description="Image of the container engine")
    session_files: Path | None = Field(
        default=None,
        description="Host folder with the CLI and the runner, where the worker is a container itself; set by the image",
    )
    docker_host: str = Field(default="", description="Docker engine, empty: the usual socket")
    tier1_model: str = Field(default="claude-haiku-5-5", description="Model of tier 1")
    tier2_model: str = Field(default="claude-sonnet-5-5", description="Model of tier 2")
    tier3_model: str = Field(default="claude-opus-5-5", description="Model of tier 3")
    tier1_budget_usd: float = Field(default=0.10, gt=0, description="Money for one tier-1 session")
    tier2_budget_usd: float = Field(default=1.00, gt=0, description="Money for one tier-2 session")
    tier3_budget_usd: float = Field(default=4.00, gt=0, description="Money for one tier-3 session")
    budget_day_usd: float | None = Field(
        default=None, ge=0, description="Money for all sessions of a day, in the time zone; empty: no limit"
    )
    budget_month_usd: float | None = Field(
        default=None, ge=0, description="Money for all sessions of a month, in the time zone; empty: no limit"
    )
    budget_alert_percent: float = Field(
        default=80, gt=0, le=100, description="Somebody is told when so much of a day's or month's money is spent"
    )
    tier1_timeout_s: float = Field(default=300, gt=0, description="Wall clock of one tier-1 session")
    tier2_timeout_s: float = Field(default=900, gt=0, description="Wall clock of one tier-2 session")
    tier3_timeout_s: float = Field(default=1800, gt=0, description="Wall clock of one tier-3 session")
    tier1_memory_mb: int = Field(default=1024, ge=192, description="Memory of one tier-1 session, MB")
    tier2_memory_mb: int = Field(default=1024, ge=192, description="Memory of one tier-2 session, MB")
    tier3_memory_mb: int = Field(default=2048, ge=192, description="Memory of one tier-3 session, MB")
    tier1_cpus: float = Field(default=1.0, ge=0.1, description="Processors of one tier-1 session")
    tier2_cpus: float = Field(default=1.0, ge=0.1, description="Processors of one tier-2 session")
    tier3_cpus: float = Field(default=2.0, ge=0.1, description="Processors of one tier-3 session")
    tier1_pids: int = Field(default=256, ge=64, description="Processes and threads of one tier-1 session")
    tier2_pids: int = Field(default=256, ge=64, description="Processes and threads of one tier-2 session")
    tier3_pids: int = Field(default=512, ge=64, description="Processes and threads of one tier-3 session")
    tier1_disk_mb: int = Field(default=1024, ge=64, description="Disk of one tier-1 session's folder, MB")
    tier2_disk_mb: int = Field(default=2048, ge=64, description="Disk of one tier-2 session's folder, MB")
    tier3_disk_mb: int = Field(default=4096, ge=64, description="Disk of one tier-3 session's folder, MB")

    allowed_domains: str = Field(
        default="",
        description="Names that every session may reach through the gateway, comma separated: api.example.org, *.example.org, git.lan:3000; empty: none",
    )
    repository_domains: bool = Field(
        default=False, description="Repositories may name more of them for their own services (.claude/container.yaml)"
    )

    # Memories
    memory_half_life_days: float = Field(
        default=30.0, ge=1, le=3650, description="A memory's confidence halves in this many days"
    )
    memory_forget_below: float = Field(
        default=0.2, ge=0.01, le=0.9, description="A memory whose confidence is lower is forgotten"
    )
    memories_per_service: int = Field(default=40, ge=1, le=500, description="Memories kept of one service")
    memories_in_all: int = Field(default=2000, ge=1, le=20_000, description="Memories kept in all")
    memories_quoted: int = Field(default=8, ge=0, le=30, description="Memories quoted to one session; 0: none")

    # Sessions on another machine
    gateway_listen: str = Field(
        default="", description="Address and port where other machines' sessions reach this gateway; empty: nowhere"
    )
    gateway_cert: Path | None = Field(default=None, description="Its TLS certificate, PEM; not needed on loopback")
    gateway_cert_key: Path | None = Field(default=None, description="The key of that certificate, PEM")
    gateway_secret: SecretStr | None = Field(
        default=None, description="What our own machines know each other by, the same on all; at least 32 characters"
    )
    gateway_url: str = Field(
        default="",
        description="Address (https, name and port) of the gateway with the credential; this machine then only runs its sessions",
    )
    gateway_ca: Path | None = Field(
        default=None, description="Certificate to trust at that address, PEM; empty: those that the system trusts"
    )

    # Telling
    apprise_urls: SecretStr | None = Field(default=None, description="Apprise URLs, comma or newline separated")
    channel_people: str = Field(
        default="",
        description="Whose channels these are, by place in the list: `1=anna,2=bert`; their messages carry links to answer with",
    )
    public_url: str = Field(default="", description="Address under which people reach the dashboard")
    digest_at: str = Field(default="08:00", pattern=r"^\d\d:\d\d$", description="Local time of the daily digest")

    # Web
    web_host: str = Field(
        default="127.0.0.1", description="Address of the dashboard; any of this machine's with login on"
    )
    web_port: int = Field(default=8080, ge=1, le=65535, description="Port of the dashboard")
    web_login: bool = Field(
        default=True, description="People log in; `false` only on loopback, where everybody is then the owner"
    )

    trusted_proxies: str = Field(
        default="",
        description="Networks of proxies whose X-Forwarded-For is believed, for example `172.18.0.0/16`; empty: nobody's",
    )

    # Keeping
    retention_days: int = Field(default=90, ge=8, description="Days that records are kept")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Log level")
    log_json: bool = Field(default=False, description="Logs as JSON lines")
    log_time: bool = Field(default=True, description="Time in front of log lines; off where the reader adds it")
    sources: str = Field(default="", description="Set by `up` for the dashboard: where each setting came from")

    @field_validator("channel_people")
    @classmethod
    def _places_and_names(cls, value: str) -> str:
        for part in value.split(","):
            place, _, name = part.strip().partition("=")
            good = place.isascii() and place.isdecimal() and int(place) > 0 and is_name(canonical_name(name))
            if part.strip() and not good:
                raise ValueError("write the place of an address in TIERCEL_APPRISE_URLS and a user, like 1=anna,2=bert")
        return value

    @field_validator("web_host")
    @classmethod
    def _an_address(cls, value: str) -> str:
        from ipaddress import ip_address

        try:
            return value if value == "localhost" else str(ip_address(value))
        except ValueError as e:
            raise ValueError(f"'{value}' is no address; use 127.0.0.1, 0.0.0.0 or an address of this machine") from e

    @field_validator("web_login")
    @classmethod
    def _off_on_loopback_only(cls, value: bool, given: ValidationInfo) -> bool:
        host = given.data.get("web_host", "")
        if not value and host not in {"127.0.0.1", "::1", "localhost"}:
            raise ValueError(
                f"without login everybody who reaches {host or 'the dashboard'} could act as its owner; "
                "set TIERCEL_WEB_HOST=127.0.0.1, or leave the login on"
            )
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: str) -> str:
        found = networks_of(value)
        if found is None:
            raise ValueError(f"'{value}' are no networks; write them like 172.18.0.0/16, with commas between them")
        if any(network.endswith("/0") for network in found):
            raise ValueError("everybody would be believed about who they are; name the network of your proxy alone")
        return value

    @field_validator("cron")
    @classmethod
    def _valid_cron(cls, value: str) -> str:
        if value:
            from datetime import UTC, datetime

            from cronsim import CronSim, CronSimError

            # Temporal reads a sixth field as the year, '#' as a comment, and knows no L: it would run at other times.
            if len(value.split()) != 5 or re.search(r"#|(^|[ ,])\d*L(?=$|[ ,])", value, re.IGNORECASE):
                raise ValueError(f"'{value}' is not understood; write five fields, for example '*/15 * * * *'")
            try:
                CronSim(value, datetime(2026, 1, 1, tzinfo=UTC))
            except CronSimError as e:
                raise ValueError(f"{e}; write five fields, for example '*/15 * * * *'") from e
        return value

    @field_validator("timezone")
    @classmethod
    def _valid_zone(cls, value: str) -> str:
        from zoneinfo import ZoneInfo

        try:
            ZoneInfo(value)
        except Exception as e:
            raise ValueError(f"'{value}' is no time zone; use a name such as Europe/Berlin") from e
        return value

    @field_validator("allowed_domains")
    @classmethod
    def _valid_domains(cls, value: str) -> str:
        from policy.egress import parse_domains

        try:
            parse_domains(_listed(value))
        except ConfigurationError as e:
            raise ValueError(str(e)) from e
        return value

    @property
    def domains(self) -> tuple[str, ...]:
        """`allowed_domains` as a list."""
        return _listed(self.allowed_domains)

    @field_validator("gateway_listen", "gateway_url")
    @classmethod
    def _valid_place(cls, value: str, given: ValidationInfo) -> str:
        if value:
            _ = remote.place(value) if given.field_name == "gateway_listen" else remote.far_place(value)
        return value

    @field_validator("gateway_secret")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        text = value.get_secret_value() if value else ""
        if value and (len(text) < remote.LEAST_SECRET or not text.isascii() or not text.isprintable() or " " in text):
            raise ValueError(f"it must have {remote.LEAST_SECRET} plain characters or more; {remote.MAKE_ONE}")
        return value

    @model_validator(mode="after")
    def _together(self) -> "Settings":
        _ = self.recheck_times
        field, why = remote.problem(self)
        if field:
            raise ValueError(f"{variable_of(field)}: {why}")
        return self

    def shared_secret(self) -> str:
        """What our machines know each other by. Raises ConfigurationError where it is needed and not set."""
        if (self.gateway_listen or self.gateway_url) and self.gateway_secret is None:
            raise ConfigurationError(remote.NO_SECRET)
        return self.gateway_secret.get_secret_value() if self.gateway_secret else ""

    @property
    def entrance(self) -> tuple[str, int] | None:
        """Where other machines' sessions come in; None where nowhere."""
        return remote.place(self.gateway_listen) if self.gateway_listen else None

    @property
    def recheck_times(self) -> tuple[float, ...]:
        """The re-checks in seconds."""
        try:
            return tuple(float(part) for part in self.rechecks_s.split(",") if part.strip())
        except ValueError as e:
            raise ValueError("TIERCEL_RECHECKS_S must be numbers of seconds, for example 60,600,3600") from e

    @property
    def tiers(self) -> tuple[TierSettings, ...]:
        """The three tiers with their models and bounds."""
        return self._tier(1, "observe", 30), self._tier(2, "investigate", 60), self._tier(3, "remediate", 100)

    def _tier(self, tier: int, name: str, max_turns: int) -> TierSettings:
        own = {field: getattr(self, f"tier{tier}_{field}") for field in ("model", "timeout_s", "budget_usd")}
        limits = {field: getattr(self, f"tier{tier}_{field}") for field in Limits.model_fields}
        return TierSettings.model_validate(
            {"tier": tier, "name": name, "max_turns": max_turns, **own, "limits": limits}
        )

    def escalation_policy(self) -> EscalationPolicy:
        """The bounds that a new escalation carries for its whole life."""
        return EscalationPolicy(
            tiers=self.tiers,
            settle_s=self.settle_s,
            verify_window_s=self.verify_window_s,
            verify_interval_s=self.verify_interval_s,
            verify_timeout_s=self.verify_timeout_s,
            rechecks_s=self.recheck_times,
            approval_timeout_s=self.approval_timeout_s,
            restart_limit=self.restart_limit,
            restart_window_s=self.restart_window_s,
            redeploy_limit=self.redeploy_limit,
            redeploy_window_s=self.redeploy_window_s,
            remedy_limit=self.remedy_limit,
            remedy_window_s=self.remedy_window_s,
        )

    @property
    def memory_rule(self) -> MemoryRule:
        """How memories fade, and how many there may be."""
        return MemoryRule(
            half_life_days=self.memory_half_life_days,
            forget_below=self.memory_forget_below,
            per_service=self.memories_per_service,
            in_all=self.memories_in_all,
            quoted=self.memories_quoted,
        )

    @property
    def budget_limits(self) -> BudgetLimits:
        """What all sessions together may cost."""
        return BudgetLimits(
            day_usd=self.budget_day_usd,
            month_usd=self.budget_month_usd,
            alert_percent=self.budget_alert_percent,
            timezone=self.timezone,
        )

    @property
    def web_url(self) -> str:
        """The dashboard's address as seen from this machine, without a slash at the end."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.web_host, self.web_host)  # noqa: S104 - not bound, but replaced
        return f"http://{f'[{host}]' if ':' in host else host}:{self.web_port}"

    @property
    def people_url(self) -> str:
        """The address that people are given, without a slash at the end."""
        return self.public_url.rstrip("/") or self.web_url

    @property
    def trusted_networks(self) -> tuple[str, ...]:
        """The proxies that are believed about whom a request came from."""
        return networks_of(self.trusted_proxies) or ()

    @property
    def addresses(self) -> Addresses:
        """Where messages lead to, and whose channels they are."""
        pairs = (part.partition("=") for part in self.channel_people.split(",") if part.strip())
        people = {int(place): canonical_name(name) for place, _, name in pairs}
        return Addresses(people_url=self.people_url, public_url=self.public_url, channel_people=people)

    @property
    def credential_kind(self) -> str:
        """`api_key`, `oauth` or "" where none is set. An API key wins, as it does in the CLI."""
        if self.anthropic_api_key:
            return "api_key"
        return "oauth" if self.claude_oauth_token else self.credential


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def variable_of(field: str) -> str:
    """The environment variable of a settings field."""
    info = Settings.model_fields[field]
    return str(info.validation_alias) if info.validation_alias else PREFIX + field.upper()


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read settings. Raises ConfigurationError with one line per wrong variable."""
    env = dict(os.environ if environ is None else environ)
    known = {variable_of(f) for f in Settings.model_fields}
    _read_secret_files(env, known)
    unknown = sorted(
        n
        for n in env
        if n.startswith(PREFIX)
        and n not in known
        and not n.startswith(("TIERCEL_PROBE_", "TIERCEL_DEV_", "TIERCEL_TEST_"))
    )
    lines = [_unknown_line(name, known) for name in unknown]
    values: dict[str, Any] = {f: env[variable_of(f)] for f in Settings.model_fields if env.get(variable_of(f))}
    settings: Settings | None = None
    try:
        settings = Settings.model_validate(values)
    except ValidationError as e:
        lines += [
            f"{variable_of(str(err['loc'][0])) + ': ' if err['loc'] else ''}{err['msg'].removeprefix('Value error, ')}"
            for err in e.errors()
        ]
    if lines or settings is None:
        raise ConfigurationError("\n".join(lines))
    return settings


def _read_secret_files(env: dict[str, str], known: set[str]) -> None:
    for name in sorted(known):
        path = env.pop(name + "_FILE", "")
        if not path:
            continue
        if env.get(name):
            raise ConfigurationError(f"{name} and {name}_FILE are both set; keep one")
        try:
            env[name] = Path(path).read_text(encoding="utf-8").strip()
        except OSError as e:
            raise ConfigurationError(
                f"{name}_FILE: cannot read {path} ({e.strerror}); check the path and its permissions"
            ) from e


def _unknown_line(name: str, known: set[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else "remove it, or see `tiercel doctor --settings`"
    return f"{name}: no such setting; {hint}"
