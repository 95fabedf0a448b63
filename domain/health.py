"""Probes and what they find."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, field_validator

from domain.base import Declared, Value
from domain.ids import ServiceId


class ProbeStatus(StrEnum):
    """`error` means that the probe itself could not run: it is doubt, not proof of a failure."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    ERROR = "error"


class _Probe(Declared):
    name: str = ""  # defaults to the kind; unique within a service
    timeout_s: float = Field(default=5.0, gt=0, le=60)
    hard: bool = False  # one failure is enough; otherwise two in a row
    check: str = ""  # name of the Markdown check that explains this probe


class HttpProbe(_Probe):
    """GET (or HEAD) one URL. `identity` must occur in the header or body named by `identity_in`."""

    kind: Literal["http"] = "http"
    url: str
    method: Literal["GET", "HEAD"] = "GET"
    expect_status: tuple[int, ...] = (200, 201, 202, 203, 204, 301, 302, 303, 307, 308, 401, 403)
    contains: str = ""
    max_latency_ms: float | None = None
    identity: str = ""
    identity_in: str = "body"  # "body" or a header's name
    verify_tls: bool = True

    @field_validator("url")
    @classmethod
    def _http_url(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("write the whole address, beginning with http:// or https://")
        return value


class TcpProbe(_Probe):
    """Connect, and where `banner` is set, read until it (a regular expression) is seen."""

    kind: Literal["tcp"] = "tcp"
    host: str
    port: int = Field(ge=1, le=65535)
    banner: str = ""


class DnsProbe(_Probe):
    """Resolve `query`; where `expect` is set, every value in it must be among the answers."""

    kind: Literal["dns"] = "dns"
    query: str
    record: Literal["A", "AAAA", "CNAME", "MX", "TXT", "NS"] = "A"
    expect: tuple[str, ...] = ()
    server: str = ""
    port: int = Field(default=53, ge=1, le=65535)


class TlsProbe(_Probe):
    """Handshake; warn below `warn_days`, fail below `fail_days` of remaining validity or a wrong name."""

    kind: Literal["tls"] = "tls"
    host: str
    port: int = Field(default=443, ge=1, le=65535)
    server_name: str = ""
    warn_days: int = 21
    fail_days: int = 3
    verify: bool = True


class ContainerProbe(_Probe):
    """The container's state, health and restart count as the engine tells them."""

    kind: Literal["container"] = "container"
    container: str
    max_restarts: int = 3


class UnitProbe(_Probe):
    """The state of a supervised process as its node's service manager tells it."""

    kind: Literal["unit"] = "unit"
    unit: str


class PostgresProbe(_Probe):
    """`SELECT 1`, the share of used connections, and the cluster's identity."""

    kind: Literal["postgres"] = "postgres"
    host: str
    port: int = Field(default=5432, ge=1, le=65535)
    database: str = "postgres"
    user: str = "postgres"
    password_env: str = ""  # must begin with TIERCEL_PROBE_
    read_user: str = ""  # a role that can only read, for sessions that look; "": they cannot
    read_password_env: str = ""  # its password, named as above
    identity: str = ""  # expected system_identifier
    max_connections_share: float = Field(default=0.8, gt=0, le=1)


class RedisProbe(_Probe):
    """PING, a write refusal (MISCONF, OOM), memory share and the server's run id."""

    kind: Literal["redis"] = "redis"
    host: str
    port: int = Field(default=6379, ge=1, le=65535)
    password_env: str = ""
    identity: str = ""
    max_memory_share: float = Field(default=0.95, gt=0, le=1)


class CommandProbe(_Probe):
    """Run one program from the owner's commands folder. A repository can name it, never bring it."""

    kind: Literal["command"] = "command"
    command: str
    args: tuple[str, ...] = ()
    expect_exit: int = 0
    contains: str = ""

    @field_validator("command")
    @classmethod
    def _plain_name(cls, value: str) -> str:
        if "/" in value or value in {"", ".", ".."}:
            raise ValueError("name a program of the commands folder (TIERCEL_COMMANDS_DIR), without any '/'")
        return value


ProbeSpec = Annotated[
    HttpProbe | TcpProbe | DnsProbe | TlsProbe | ContainerProbe | UnitProbe | PostgresProbe | RedisProbe | CommandProbe,
    Field(discriminator="kind"),
]


class ProbeResult(Value):
    """What one probe saw. `evidence` is short plain text (at most 2 kB), already redacted."""

    service: ServiceId
    probe: str
    kind: str
    status: ProbeStatus
    at: datetime
    latency_ms: float
    summary: str  # one line for people
    evidence: str = ""
    identity: str = ""
    hard: bool = False


class ServiceStatus(StrEnum):
    """What we hold true of a service after its probes, not after one probe."""

    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"
    UNKNOWN = "unknown"


class ServiceHealth(Value):
    """The memory that decisions about one service need. `flips` are the times at which up and not-up changed."""

    service: ServiceId
    status: ServiceStatus = ServiceStatus.UNKNOWN
    since: datetime | None = None
    last_probe_at: datetime | None = None
    failures_in_row: int = 0
    successes_in_row: int = 0
    flips: tuple[datetime, ...] = ()
    summary: str = ""
