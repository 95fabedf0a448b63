"""What only lists read: services with their bars and latency, chains of sessions, events, words to filter by."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta

from adapters.database.paging import cursor_of, page, position, rank_position, ranked
from adapters.database.pool import Pool, first
from adapters.database.records import (
    DAY,
    ChainSession,
    EventFilter,
    EventRow,
    Page,
    Period,
    ServiceFilter,
    ServiceRow,
    UptimeSlot,
)
from domain.action import Action
from domain.inventory import Service

RANKS = ("down", "degraded", "unknown", "up")
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_NOTHING = (0, 0, 0, 0, 0, 0)
_FINE = timedelta(hours=2)  # up to this step, bars are made of half hours


class ListReads:
    """Typed reads for lists. Every method raises RecordUnavailableError where Postgres cannot be used."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    # ------------------------------------------------------------ services

    async def services(self, which: ServiceFilter, after: str = "", limit: int = 50) -> Page[ServiceRow]:
        """Declared services, worst health first."""
        params = {
            "gone": False,
            "id": None,
            **{f.name: getattr(which, f.name) for f in fields(which)},
            "statuses": list(which.statuses) or None,
            "text": which.text.casefold().strip(),
            **rank_position(after),
            "limit": limit + 1,
        }
        rows = await self._pool.chosen("list_services", ServiceRow, params)
        return page(rows, limit, lambda row: ranked(RANKS.index(row.status) + 1, row.id))

    async def uptime(
        self, until: datetime, services: Sequence[str], period: Period = DAY
    ) -> dict[str, tuple[UptimeSlot, ...]]:
        """Per service the bars of a period up to `until`, oldest first, without gaps."""
        last = _EPOCH + (until - _EPOCH) // period.step * period.step
        starts = [last - period.step * n for n in range(period.buckets - 1, -1, -1)]
        name = "uptime_by_half_hour" if period.step <= _FINE else "uptime_by_half_day"
        params = {"since": starts[0], "until": until, "step": period.step, "services": list(services)}
        rows = await self._pool.rows(name, params)
        counted_from = [(start, int(start.timestamp())) for start in starts]
        return {service: _bars(service, counted_from, counted or ()) for service, counted in rows}

    async def latency(self, services: Sequence[str], since: datetime) -> dict[str, tuple[float, float]]:
        """Per service the median and the 95th percentile of its probes, in milliseconds."""
        rows = await self._pool.rows("latency_of_services", {"services": list(services), "since": since})
        return {service: (float(middle), float(most)) for service, (middle, most) in rows}

    async def actions_on(self, services: Sequence[str], each: int) -> tuple[Action, ...]:
        """The newest actions on each of several services, newest first."""
        bodies = await self._pool.scalars("newest_actions_on_targets", {"targets": list(services), "each": each})
        return tuple(Action.model_validate(body) for body in bodies)

    async def refused_on(self, services: Sequence[str], since: datetime, each: int) -> tuple[Action, ...]:
        """The newest refusals on each of several services, newest first."""
        params = {"targets": list(services), "since": since, "each": each}
        bodies = await self._pool.scalars("refused_actions_on_targets", params)
        return tuple(Action.model_validate(body) for body in bodies)

    async def specs(self, services: Sequence[str]) -> dict[str, Service]:
        """What is declared of several services."""
        found = [
            Service.model_validate(s)
            for s in await self._pool.scalars("specs_of_services", {"services": list(services)})
        ]
        return {service.id: service for service in found}

    async def marks(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """(nodes, tags) that services have, in order."""
        rows = await self._pool.rows("service_marks")
        return tuple(w for kind, w in rows if kind == "node"), tuple(w for kind, w in rows if kind == "tag")

    # ------------------------------------------------------------ runs

    async def sessions_of(self, incidents: Sequence[str]) -> tuple[ChainSession, ...]:
        """All processes of the sessions of several incidents, oldest first."""
        params = {"incidents": list(incidents)}
        return tuple(await self._pool.values("sessions_of_incidents", ChainSession, params))

    # ------------------------------------------------------------ events

    async def events(self, which: EventFilter, after: str = "", limit: int = 50) -> Page[EventRow]:
        """Facts, newest first."""
        params = {**_event_fields(which), **position(after), "limit": limit + 1}
        wanted = {
            "events_of_timeline": bool(which.timeline),
            "events_of_notices": which.notices,
            "events_of_patrols": which.patrols and not which.service,
            "events_of_probes": which.probes,
            "events_of_notes": which.notes,
        }
        found = [await self._pool.chosen(name, EventRow, params) for name, asked in wanted.items() if asked]
        rows = sorted((row for rows in found for row in rows), key=lambda row: (row.at, row.key), reverse=True)
        return page(rows, limit, lambda row: cursor_of(row.at, row.key))

    async def oldest_event(self, which: EventFilter) -> datetime | None:
        """When the oldest stored fact of these kinds was; None where there is none."""
        found = first(await self._pool.chosen_scalars("oldest_event", _event_fields(which)))
        return found if isinstance(found, datetime) else None

    async def timeline_words(self) -> tuple[str, ...]:
        """Every kind of entry that some history has."""
        return tuple(str(word) for word in await self._pool.scalars("timeline_words"))

    # ------------------------------------------------------------ audit

    async def audit_words(self) -> tuple[str, ...]:
        """Every word that the audit has for something done."""
        return tuple(str(word) for word in await self._pool.scalars("audit_words"))

    async def audit_oldest(self) -> datetime | None:
        """When the oldest stored entry was written; None where there is none."""
        found = first(await self._pool.scalars("audit_oldest"))
        return found if isinstance(found, datetime) else None


def _event_fields(which: EventFilter) -> dict[str, object]:
    patrols = which.patrols and not which.service
    given = {f.name: getattr(which, f.name) for f in fields(which)}
    return {**given, "timeline": list(which.timeline), "patrols": patrols}


def _bars(
    service: str, starts: Sequence[tuple[datetime, int]], counted: Sequence[Sequence[int]]
) -> tuple[UptimeSlot, ...]:
    """`counted` are rows of (seconds since 1970, ok, warn, fail, error, failures, seconds down)."""
    known = {row[0]: row[1:] for row in counted}
    return tuple([UptimeSlot(service, start, *known.get(epoch, _NOTHING)) for start, epoch in starts])
