"""What pages and commands read: rows as frozen values, and pages of them."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Generic, NamedTuple, TypeVar

from domain.health import ServiceHealth
from domain.inventory import Service

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows, newest first. `next` goes back in as `after`; "" where there is no more."""

    rows: tuple[T, ...]
    next: str = ""


@dataclass(frozen=True, slots=True)
class IncidentFilter:
    """Which incidents. Empty means all. `states` may be any of IncidentState."""

    states: tuple[str, ...] = ()
    service: str = ""
    trigger: str = ""
    node: str = ""
    tier: int = 0  # the highest that it came to
    tried: bool = False  # only where a session was begun
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class ServiceFilter:
    """Which services. Empty means all that are declared. `text` is looked for in id, aliases and summary."""

    statuses: tuple[str, ...] = ()
    text: str = ""
    node: str = ""
    tag: str = ""
    unstable_since: datetime | None = None  # a probe failed since then


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries. Empty means all; words as they were written."""

    target: str = ""
    actor: str = ""
    actor_kind: str = ""
    action: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which facts: kinds of entries of histories, and what lies elsewhere."""

    timeline: tuple[str, ...] = ()
    notices: bool = False
    patrols: bool = False
    probes: bool = False  # that did not say ok
    notes: bool = False
    service: str = ""  # patrols are of none
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class EventRow:
    """One fact. `good` None: neither good nor bad. `service` and `incident` are "" where there is none."""

    at: datetime
    key: str
    source: str  # timeline, notice, patrol, probe, note
    kind: str
    text: str
    service: str
    incident: str
    good: bool | None


@dataclass(frozen=True, slots=True)
class ChainSession:
    """One process of a session, as a list of chains shows it."""

    id: str
    attempt: int
    incident: str
    tier: int
    model: str
    status: str
    cost_usd: float
    tokens: int
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """One incident in a list. `closed_at` None: still open."""

    id: str
    service: str
    affected: list[str]
    trigger: str
    state: str
    tier: int
    summary: str
    requested_by: str
    dry_run: bool
    scripted: bool
    opened_at: datetime
    updated_at: datetime
    closed_at: datetime | None
    sessions: int
    actions: int
    cost_usd: float
    tokens: int
    pending_approvals: int


@dataclass(frozen=True, slots=True)
class IncidentDetail:
    """Everything about one incident that is not a list of its own. `alert` is domain.incident.Alert as JSON."""

    id: str
    service: str
    affected: list[str]
    trigger: str
    state: str
    tier: int
    summary: str
    prompt: str
    requested_by: str
    alert: dict[str, object]
    workflow_id: str
    run_id: str
    dry_run: bool
    scripted: bool
    opened_at: datetime
    updated_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """One entry of an incident's history."""

    key: str
    at: datetime
    kind: str
    tier: int
    text: str
    detail: dict[str, object]


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One process of a session. `report` is domain.session.TierReport as JSON; `lines` counts stored output."""

    id: str
    attempt: int
    incident: str
    workflow_id: str
    tier: int
    model: str
    engine: str
    isolated: bool
    scripted: bool
    status: str
    message: str
    report: dict[str, object] | None
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cost_usd: float
    lines: int
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """One service with what is known of its health. `open_incident` is "" where there is none."""

    id: str
    node: str
    name: str
    kind: str
    repository: str
    present: bool
    status: str  # up, degraded, down, unknown
    since: datetime | None
    last_probe_at: datetime | None
    latency_ms: float | None  # slowest probe of the last round
    summary: str
    open_incident: str


@dataclass(frozen=True, slots=True)
class ServiceDetail:
    """One service as declared, and its memory."""

    row: ServiceRow
    spec: Service
    health: ServiceHealth
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class Period:
    """What a row of uptime bars covers. Steps of more than two hours are counted from half days."""

    name: str
    step: timedelta
    buckets: int


DAY = Period("24h", timedelta(minutes=30), 48)
PERIODS = {
    p.name: p
    for p in (
        DAY,
        Period("7d", timedelta(hours=2), 84),
        Period("30d", timedelta(hours=12), 60),
        Period("90d", timedelta(days=1), 90),
    )
}


class UptimeSlot(NamedTuple):
    """One bar of a service: how many results of each kind, how often it began to fail, and for how long it did.

    All zero: nothing was probed.
    """

    service: str
    start: datetime
    ok: int
    warn: int
    fail: int
    error: int
    failures: int = 0
    down_s: float = 0.0

    @property
    def status(self) -> str:
        """The colour of the bar: none, up, degraded or down."""
        if self.fail:
            return "down"
        if self.warn or self.error:
            return "degraded"
        return "up" if self.ok else "none"


@dataclass(frozen=True, slots=True)
class PatrolRow:
    """One finished patrol."""

    id: str
    started_at: datetime
    ended_at: datetime
    services: int
    failing: int
    opened: int
    problems: int


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """One notice on one channel."""

    key: str
    channel: str
    incident: str | None
    kind: str
    title: str
    body: str
    delivered: bool
    message: str
    attempts: int
    at: datetime


@dataclass(frozen=True, slots=True)
class AuditRow:
    """Who did what."""

    id: int
    at: datetime
    actor_kind: str
    actor: str
    action: str
    target: str
    detail: dict[str, object]


@dataclass(frozen=True, slots=True)
class LedgerNoteRow:
    """The newest maintenance, snooze or reset of a service."""

    service: str
    kind: str
    until: datetime | None
    reason: str
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ModelUse:
    """What the gateway counted on the wire. `scripted_calls` are calls to our scripted model, and cost nothing."""

    calls: int = 0
    scripted_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_usd: float = 0.0

    @property
    def tokens(self) -> int:
        """All tokens together."""
        return self.input_tokens + self.output_tokens + self.cache_read_tokens + self.cache_write_tokens


@dataclass(frozen=True, slots=True)
class CostCell:
    """One day and one part (a tier, a service, a trigger). `place` 7 is all that are not among the dearest six."""

    day: date
    part: str
    calls: int
    scripted_calls: int
    tokens: int
    cost_usd: float
    place: int


@dataclass(frozen=True, slots=True)
class DearSession:
    """What one session cost. `day` is that of its first call, in UTC."""

    session: str
    incident: str
    tier: int
    service: str
    day: date
    calls: int
    tokens: int
    cost_usd: float
    place: int
    place_in_tier: int


@dataclass(frozen=True, slots=True)
class LimitRow:
    """One process that was ended at a limit of its tier: money, turns or time."""

    id: str
    attempt: int
    incident: str
    tier: int
    message: str
    cost_usd: float
    started_at: datetime


@dataclass(frozen=True, slots=True)
class TierOutcome:
    """How the newest processes of a tier ended. `well`: with a report, or with a question for a person."""

    tier: int
    ended: int
    well: int
    p50_s: float
    p95_s: float


@dataclass(frozen=True, slots=True)
class Counts:
    """The numbers of the overview."""

    services: int
    up: int
    degraded: int
    down: int
    unknown: int
    open_incidents: int
    needs_person: int
    pending_approvals: int
    running_sessions: int
    problems: int


@dataclass(frozen=True, slots=True)
class Overview:
    """Counts, model use since the given time, the last patrol, and what is open now (at most 20, newest first)."""

    counts: Counts
    use: ModelUse
    patrol: PatrolRow | None
    open: tuple[IncidentRow, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class PersonRow:
    """One account in the list. `joined` False: the invitation was not taken up yet."""

    id: str
    name: str
    role: str
    joined: bool
    has_pin: bool
    created_at: datetime
    disabled_at: datetime | None
    last_seen_at: datetime | None
    keys: int


@dataclass(frozen=True, slots=True)
class WebSessionRow:
    """One session of a person, with that person. `id` is the hash of what the cookie holds."""

    id: str
    person: str
    created_at: datetime
    password_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    address: str
    user_agent: str
    name: str
    role: str


@dataclass(frozen=True, slots=True)
class ApiKeyRow:
    """One key with its owner. `hash` is the sha256 of the whole key; `limits` is domain.people.KeyLimits as JSON."""

    id: str
    hash: str
    name: str
    person: str
    scopes: list[str]
    limits: dict[str, object]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    last_address: str
    uses: int
    owner: str
    role: str
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True)
class EntryCodeRow:
    """A one-time code that still opens. `person` and `name` are None for setup."""

    kind: str
    person: str | None
    name: str | None
    expires_at: datetime | None
