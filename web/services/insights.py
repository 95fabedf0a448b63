"""Everything that pages and commands show, read from the record. Reads only, knows no HTTP."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from adapters.database.reads import Reads
from adapters.database.records import (
    DAY,
    AuditFilter,
    AuditRow,
    IncidentFilter,
    IncidentRow,
    Page,
    Period,
    SessionRow,
)
from config.settings import Settings
from domain.agent import Granted
from domain.health import ProbeResult
from domain.ids import SessionId
from domain.incident import Alert, Approval, Change, IncidentState
from domain.ports import Clock
from domain.session import OutputLine, TierReport
from policy.explain import Preview
from web.services.ledgers import Ledgers
from web.services.lists import Lists
from web.services.questions import Questions
from web.viewmodels import IncidentView, LogWindow, Overview, Question, ServiceView, SessionView

ROWS = 50  # at most, of anything, on any page
TAIL = 300  # lines of a log that come with the page
EARLIER = 400  # lines per "load earlier"
AROUND = 150  # lines before a linked one


class Insights:
    """Reads over the record. Every method raises RecordUnavailableError where it cannot be used."""

    def __init__(self, reads: Reads, settings: Settings, clock: Clock) -> None:
        self._reads = reads
        self._settings = settings
        self._clock = clock
        self._zone = ZoneInfo(settings.timezone)
        self._questions = Questions(reads)
        self._ledgers = Ledgers(reads, settings, clock)
        self.lists = Lists(reads, settings, clock)

    async def waiting(self) -> int:
        """How many approvals wait for a person."""
        return len(await self._reads.approvals_pending())

    # ------------------------------------------------------------ overview

    async def overview(self) -> Overview:
        """What a person wants to know first."""
        today = self._clock.now().astimezone(self._zone).replace(hour=0, minute=0, second=0, microsecond=0)
        base, pending, services, recent, inventory = await asyncio.gather(
            self._reads.overview(today.astimezone(UTC)),
            self._reads.approvals_pending(),
            self._reads.services(),
            self._reads.incidents(limit=12),
            self._reads.inventory(),
        )
        person = IncidentState.NEEDS_PERSON
        return Overview(
            counts=base.counts,
            today=base.use,
            approvals=pending[:ROWS],
            needs_person=tuple(i for i in base.open if i.state == person),
            running=tuple(i for i in base.open if i.state != person),
            unhealthy=tuple(s for s in services if s.status in {"down", "degraded"})[:ROWS],
            recent=tuple(i for i in recent.rows if i.closed_at is not None)[:6],
            patrol=base.patrol,
            problems=inventory.problems[:10],
        )

    # ------------------------------------------------------------ incidents

    async def incidents(self, which: IncidentFilter, after: str = "", limit: int = ROWS) -> Page[IncidentRow]:
        """One page of incidents, newest first."""
        return await self._reads.incidents(which, after, limit)

    async def incident(self, incident: str, entries: int = 200) -> IncidentView | None:
        """One incident with everything that belongs to it; of its history at most the newest `entries`."""
        row = await self._reads.incident(incident)
        if row is None:
            return None
        sessions, actions, approvals, notices, timeline, use = await asyncio.gather(
            self._reads.sessions_of(row.id),
            self._reads.actions_of(row.id),
            self._reads.approvals_of(row.id),
            self._reads.notices_of(row.id),
            self._reads.timeline(row.id, limit=entries),
            self._reads.model_use_of(row.id),
        )
        evidence = _alert_results(row.alert)
        return IncidentView(
            row=row,
            evidence=evidence,
            latest=await self._latest(row.service, evidence),
            sessions=tuple(SessionView(row=s, report=_report(s)) for s in sessions),
            actions=actions,
            approvals=approvals,
            notices=notices,
            timeline=timeline,
            use=use,
        )

    async def _latest(self, service: str, evidence: Sequence[ProbeResult]) -> tuple[ProbeResult, ...]:
        if not service:
            return ()
        results = await self._reads.probe_results(service, 30)
        names = {r.probe for r in evidence if r.service == service}
        return _newest_per_probe(r for r in results if not names or r.probe in names)

    # ------------------------------------------------------------ audit

    async def audit(self, which: AuditFilter | None = None, after: str = "", limit: int = ROWS) -> Page[AuditRow]:
        """Who did what, newest first."""
        return await self._reads.audit(after, limit, which)

    async def granted(self, session: str) -> Granted | None:
        """The tools that a session was given; None where the audit has no word of it any more."""
        found = await self._reads.audit(limit=1, which=AuditFilter(actor=session, action="session.tools"))
        try:
            return Granted.model_validate(found.rows[0].detail) if found.rows else None
        except ValidationError:
            return None

    # ------------------------------------------------------------ logs

    async def last_line(self, session: str, attempt: int) -> int:
        """The number of a log's newest line, 0 where there is none."""
        return await self._reads.last_seq(SessionId(session), attempt)

    async def tail(self, session: str, attempt: int) -> LogWindow:
        """The newest lines of a log."""
        newest = await self.last_line(session, attempt)
        return await self._window(session, attempt, max(0, newest - TAIL), TAIL, newest)

    async def around(self, session: str, attempt: int, line: int) -> LogWindow:
        """A linked line with what surrounds it."""
        newest = await self.last_line(session, attempt)
        if line > newest - TAIL:
            return await self._window(
                session, attempt, max(0, min(line - AROUND, newest - TAIL)), TAIL + AROUND, newest
            )
        return await self._window(session, attempt, max(0, line - AROUND), 2 * AROUND, newest)

    async def earlier(self, session: str, attempt: int, before: int) -> LogWindow:
        """The lines just before a number."""
        after = max(0, before - 1 - EARLIER)
        lines = (
            await self._reads.read_output(SessionId(session), attempt, after, before - 1 - after) if before > 1 else []
        )
        return LogWindow(session, attempt, tuple(lines), 0)

    async def later(self, session: str, attempt: int, after: int) -> LogWindow:
        """The lines just after a number."""
        return LogWindow(session, attempt, await self.lines_after(session, attempt, after, EARLIER), 0)

    async def lines_after(self, session: str, attempt: int, after: int, limit: int) -> tuple[OutputLine, ...]:
        """Raw lines, for streams and downloads. Empty means that there is nothing newer."""
        return tuple(await self._reads.read_output(SessionId(session), attempt, after, limit))

    async def session(self, session: str, attempt: int | None = None) -> SessionRow | None:
        """One process of a session; without `attempt` the newest."""
        return await self._reads.session(session, attempt)

    async def _window(self, session: str, attempt: int, after: int, limit: int, newest: int) -> LogWindow:
        return LogWindow(session, attempt, await self.lines_after(session, attempt, after, limit), newest)

    # ------------------------------------------------------------ approvals

    async def approvals(self) -> tuple[tuple[Approval, ...], tuple[Approval, ...]]:
        """Those that wait, and those that were answered lately."""
        pending, decided = await asyncio.gather(
            self._reads.approvals_pending(), self._reads.approvals_decided(limit=20)
        )
        return pending[:ROWS], decided.rows

    async def questions(self, approvals: Sequence[Approval]) -> tuple[Question, ...]:
        """Approvals with what a person needs to answer them."""
        return await self._questions.of(approvals)

    async def preview(self, approval: Approval, change: Change) -> Preview:
        """What another action in an approval's place would be."""
        return await self._questions.preview(approval, change)

    async def approval(self, approval: str) -> Approval | None:
        """One approval."""
        return await self._reads.approval(approval)

    # ------------------------------------------------------------ services

    async def service(self, service: str, period: Period = DAY) -> ServiceView | None:
        """One service as declared and as seen."""
        detail = await self._reads.service(service)
        if detail is None:
            return None
        bars, latency, actions, probes, ledgers = await asyncio.gather(
            self.lists.bars(service, period),
            self.lists.latency(service),
            self._reads.actions_on(service, 8),
            self._reads.probe_results(service, 40),
            self._ledgers.of([service]),
        )
        return ServiceView(
            detail=detail,
            bars=bars,
            latency=latency,
            ledger=ledgers[service],
            actions=actions,
            probes=_newest_per_probe(probes),
        )

    async def service_names(self) -> tuple[str, ...]:
        """Canonical ids, in order."""
        return tuple(sorted(r.id for r in await self._reads.services()))

    async def resolve(self, spelling: str) -> str | None:
        """The one service that a spelling means; None where none or several answer to it."""
        found = (await self._reads.inventory()).resolve(spelling)
        return found.id if found else None


def _report(row: SessionRow) -> TierReport | None:
    try:
        return TierReport.model_validate(row.report) if row.report else None
    except ValidationError:
        return None  # a report of a newer version: the log still has it


def _alert_results(alert: dict[str, object]) -> tuple[ProbeResult, ...]:
    try:
        return Alert.model_validate(alert).results
    except ValidationError:
        return ()


def _newest_per_probe(results: Iterable[ProbeResult]) -> tuple[ProbeResult, ...]:
    newest: dict[str, ProbeResult] = {}
    for r in results:
        if r.probe not in newest or r.at > newest[r.probe].at:
            newest[r.probe] = r
    return tuple(newest.values())
