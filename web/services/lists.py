"""What lists show, read from the record. Reads only, knows no HTTP."""

import asyncio
from datetime import datetime, timedelta

from adapters.database.lists import ListReads
from adapters.database.reads import Reads
from adapters.database.records import (
    DAY,
    AuditFilter,
    AuditRow,
    EventFilter,
    EventRow,
    IncidentFilter,
    Page,
    Period,
    ServiceFilter,
)
from config.settings import Settings
from domain.incident import Approval
from domain.ports import Clock
from web.listmodels import Bars, Chain, CooldownRow, ServiceCard
from web.services.ledgers import Ledgers

ROWS = 50  # at most, of anything, on any page
CARDS = 24  # services at once: each has its bars, its latency and its ledger
ACTIONS = 2  # on a card
LATENCY = timedelta(days=1)


class Lists:
    """Reads over the record. Every method raises RecordUnavailableError where it cannot be used."""

    def __init__(self, reads: Reads, settings: Settings, clock: Clock) -> None:
        self._reads = reads
        self._lists: ListReads = reads.lists
        self._settings = settings
        self._clock = clock
        self._ledgers = Ledgers(reads, settings, clock)

    # ------------------------------------------------------------ services

    async def services(
        self, which: ServiceFilter, period: Period = DAY, after: str = "", limit: int = CARDS
    ) -> Page[ServiceCard]:
        """One page of services, worst first, with what a card of each shows."""
        found = await self._lists.services(which, after, limit)
        names = [row.id for row in found.rows]
        if not names:
            return Page((), "")
        now = self._clock.now()
        bars, latency, actions, specs, ledgers = await asyncio.gather(
            self._lists.uptime(now, names, period),
            self._lists.latency(names, now - LATENCY),
            self._lists.actions_on(names, ACTIONS),
            self._lists.specs(names),
            self._ledgers.of(names),
        )
        cards = tuple(
            ServiceCard(
                row=row,
                bars=Bars(period, bars.get(row.id, ())),
                latency=latency.get(row.id),
                tags=specs[row.id].tags if row.id in specs else (),
                actions=tuple(a for a in actions if a.target == row.id),
                slots=tuple(s for s in ledgers[row.id].slots if s.used),
                maintenance_until=_ahead(ledgers[row.id].journal.maintenance_until, now),
                snoozed_until=_ahead(ledgers[row.id].journal.snoozed_until, now),
            )
            for row in found.rows
        )
        return Page(cards, found.next)

    async def bars(self, service: str, period: Period) -> Bars:
        """One service's bars."""
        return Bars(period, (await self._lists.uptime(self._clock.now(), [service], period)).get(service, ()))

    async def latency(self, service: str) -> tuple[float, float] | None:
        """Median and 95th percentile of one service's probes in the last day, in milliseconds."""
        return (await self._lists.latency([service], self._clock.now() - LATENCY)).get(service)

    async def marks(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """(nodes, tags) to filter by."""
        return await self._lists.marks()

    # ------------------------------------------------------------ cooldowns

    async def cooldowns(
        self, text: str = "", node: str = "", after: str = "", limit: int = ROWS
    ) -> tuple[Page[CooldownRow], tuple[str, ...]]:
        """One page of services whose ledger says anything, in order, and the names of those with every slot free."""
        touched, free = await self._ledgers.touched()
        wanted = [
            s for s in touched if text.casefold().strip() in s and node in {"", s.partition("/")[0]} and s > after
        ]
        rows = await self._ledgers.of(wanted[:limit])
        return Page(tuple(rows[s] for s in wanted[:limit]), wanted[limit - 1] if len(wanted) > limit else ""), free

    # ------------------------------------------------------------ runs

    async def runs(self, which: IncidentFilter, after: str = "", limit: int = ROWS) -> Page[Chain]:
        """One page of escalations, newest first, each with its sessions."""
        found = await self._reads.incidents(which, after, limit)
        sessions = await self._lists.sessions_of([row.id for row in found.rows])
        chains = (Chain(row, tuple(s for s in sessions if s.incident == row.id)) for row in found.rows)
        return Page(tuple(chains), found.next)

    # ------------------------------------------------------------ approvals

    async def approvals(self, state: str = "", after: str = "", limit: int = ROWS) -> Page[Approval]:
        """Those that no longer wait, newest first."""
        return await self._reads.approvals_decided(after, limit, state)

    # ------------------------------------------------------------ events

    async def events(self, which: EventFilter, after: str = "", limit: int = ROWS) -> Page[EventRow]:
        """One page of facts, newest first."""
        return await self._lists.events(which, after, limit)

    async def oldest_event(self, which: EventFilter) -> datetime | None:
        """When the oldest stored fact of these kinds was."""
        return await self._lists.oldest_event(which)

    async def timeline_words(self) -> tuple[str, ...]:
        """Every kind of entry that some history has."""
        return await self._lists.timeline_words()

    # ------------------------------------------------------------ audit

    async def audit(self, which: AuditFilter, after: str = "", limit: int = ROWS) -> Page[AuditRow]:
        """Who did what, newest first."""
        return await self._reads.audit(after, limit, which)

    async def audit_words(self) -> tuple[str, ...]:
        """Every word that the audit has for something done."""
        return await self._lists.audit_words()

    async def audit_oldest(self) -> datetime | None:
        """When the oldest stored entry was written."""
        return await self._lists.audit_oldest()


def _ahead(until: datetime | None, now: datetime) -> datetime | None:
    return until if until and until > now else None
