"""What templates receive: frozen, worked out, free of engine objects.

Plain rows come as adapters/database/records.py has them.
"""

from dataclasses import dataclass

from adapters.database.records import (
    Counts,
    IncidentDetail,
    IncidentRow,
    ModelUse,
    NoticeRow,
    PatrolRow,
    ServiceDetail,
    ServiceRow,
    SessionRow,
    TimelineRow,
)
from domain.action import Action
from domain.health import ProbeResult
from domain.incident import Approval
from domain.inventory import InventoryProblem
from domain.session import OutputLine, TierReport
from policy.explain import Choice
from policy.params import ParamRule
from web.listmodels import Bars, CooldownRow


@dataclass(frozen=True)
class Question:
    """One approval with what a person needs to answer it. `choices` only while it waits."""

    approval: Approval
    command: str
    risks: tuple[str, ...]
    model: str
    cost_usd: float  # of the whole incident so far
    choices: tuple[Choice, ...] = ()

    @property
    def params(self) -> tuple[ParamRule, ...]:
        """Every param that one of the choices takes."""
        return tuple({p.name: p for choice in self.choices for p in choice.params}.values())


@dataclass(frozen=True)
class Overview:
    """The front page, in the order in which a person needs it."""

    counts: Counts
    today: ModelUse
    approvals: tuple[Approval, ...]
    needs_person: tuple[IncidentRow, ...]
    running: tuple[IncidentRow, ...]
    unhealthy: tuple[ServiceRow, ...]
    recent: tuple[IncidentRow, ...]
    patrol: PatrolRow | None
    problems: tuple[InventoryProblem, ...]


@dataclass(frozen=True)
class SessionView:
    """One process of a session."""

    row: SessionRow
    report: TierReport | None

    @property
    def key(self) -> str:
        """What its log is called in URLs and streams."""
        return f"{self.row.id}:{self.row.attempt}"

    @property
    def tokens(self) -> int:
        """All tokens together."""
        r = self.row
        return r.input_tokens + r.output_tokens + r.cache_read_tokens + r.cache_write_tokens


@dataclass(frozen=True)
class IncidentView:
    """Everything about one incident."""

    row: IncidentDetail
    evidence: tuple[ProbeResult, ...]  # what opened it
    latest: tuple[ProbeResult, ...]  # what the same probes say now
    sessions: tuple[SessionView, ...]
    actions: tuple[Action, ...]
    approvals: tuple[Approval, ...]
    notices: tuple[NoticeRow, ...]
    timeline: tuple[TimelineRow, ...]
    use: ModelUse

    @property
    def pending(self) -> tuple[Approval, ...]:
        """What waits for a person."""
        return tuple(a for a in self.approvals if a.state == "pending")

    @property
    def decided(self) -> tuple[Approval, ...]:
        """What no longer waits."""
        return tuple(a for a in self.approvals if a.state != "pending")

    @property
    def origin(self) -> str:
        """The incident in which this happened, where this one is about a session of ours; else ""."""
        return str(self.row.alert.get("origin") or "")

    @property
    def trace(self) -> str:
        """The trace id, where an entry of the history names it."""
        return next((str(t.detail["trace_id"]) for t in self.timeline if t.detail.get("trace_id")), "")


@dataclass(frozen=True)
class LogWindow:
    """Some lines of one log, and how much lies before and after them. A filtered one tells what was searched."""

    session: str
    attempt: int
    lines: tuple[OutputLine, ...]
    newest: int  # number of the last stored line
    searched_from: int = 0
    searched_to: int = 0

    @property
    def first(self) -> int:
        """Number of the first line shown or searched; 0 where there is none."""
        return self.searched_from or (self.lines[0].seq if self.lines else 0)

    @property
    def last(self) -> int:
        """Number of the last line shown or searched; 0 where there is none."""
        return self.searched_to or (self.lines[-1].seq if self.lines else 0)


@dataclass(frozen=True)
class ServiceView:
    """One service's page. Latency in milliseconds: median and 95th percentile of the last day."""

    detail: ServiceDetail
    bars: Bars
    latency: tuple[float, float] | None
    ledger: CooldownRow
    actions: tuple[Action, ...]
    probes: tuple[ProbeResult, ...]
