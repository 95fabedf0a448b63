"""What a month cost: by day and part, against the limits, with a forecast. Reads only."""

import asyncio
import calendar
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from adapters.database.costs import CostReads
from adapters.database.records import CostCell, DearSession, LimitRow, TierOutcome
from config.settings import Settings, variable_of
from domain.ports import Clock
from policy.costs import WINDOW, Forecast, forecast

SPLITS = ("tier", "service", "trigger")
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Spent:
    """A span of time, or a part of one."""

    calls: int = 0
    scripted_calls: int = 0
    tokens: int = 0
    cost_usd: float = 0.0


@dataclass(frozen=True)
class TierLimit:
    """What one session of a tier may cost, and what the dearest one of the month did cost."""

    tier: int
    name: str
    limit_usd: float
    variable: str
    dearest: DearSession | None


@dataclass(frozen=True)
class Costs:
    """One month. `cells` are per day and part, oldest first; `today` is None for a month that is over."""

    month: date  # its first day
    by: str
    days: tuple[date, ...]
    cells: tuple[CostCell, ...]
    parts: tuple[str, ...]  # dearest first
    total: Spent
    today: Spent | None
    forecast: Forecast | None
    limits: tuple[TierLimit, ...]
    dearest: tuple[DearSession, ...]
    stopped: tuple[LimitRow, ...]
    outcomes: tuple[TierOutcome, ...]
    before: date | None  # the month before, where anything was counted in it
    after: date | None

    def of(self, part: str) -> Spent:
        """One part of the month."""
        return add(c for c in self.cells if c.part == part)

    def by_day(self) -> dict[date, Spent]:
        """All parts of each day together, oldest first."""
        cells: dict[date, list[CostCell]] = {day: [] for day in self.days}
        for cell in self.cells:
            cells[cell.day].append(cell)
        return {day: add(found) for day, found in cells.items()}


def add(cells: Iterable[CostCell]) -> Spent:
    """Cells together."""
    found = tuple(cells)
    return Spent(
        calls=sum(c.calls for c in found),
        scripted_calls=sum(c.scripted_calls for c in found),
        tokens=sum(c.tokens for c in found),
        cost_usd=sum(c.cost_usd for c in found),
    )


class CostViews:
    """Every method raises RecordUnavailableError where the record cannot be used."""

    def __init__(self, reads: CostReads, settings: Settings, clock: Clock) -> None:
        self._reads = reads
        self._settings = settings
        self._clock = clock
        self._zone = ZoneInfo(settings.timezone)

    @property
    def this_month(self) -> date:
        """The first day of the current month, in the owner's zone."""
        return self._today().replace(day=1)

    async def month(self, month: date, by: str) -> Costs:
        """One month, split `by` tier, service or trigger."""
        today, last = self._today(), _last_day(month)
        since, until = self._begin(month), self._begin(last + _DAY)
        cells, first, dearest, stopped, outcomes = await asyncio.gather(
            # The days before the month are for the forecast.
            self._reads.costs(since - _DAY * (WINDOW + 1), until, by, self._settings.timezone),
            self._reads.first(),
            self._reads.dearest(since.astimezone(UTC).date(), min(last, today + _DAY)),
            self._reads.at_limit(since, until),
            self._reads.outcomes(),
        )
        own = tuple(c for c in cells if month <= c.day <= last)
        begun = first.astimezone(self._zone).date() if first else None
        current = month <= today <= last
        return Costs(
            month=month,
            by=by,
            days=tuple(month + _DAY * n for n in range((last - month).days + 1)),
            cells=own,
            parts=_parts(own),
            total=add(own),
            today=add(c for c in own if c.day == today) if current else None,
            forecast=_forecast(cells, own, begun, today, last) if current else None,
            limits=self._limits(dearest),
            dearest=tuple(s for s in dearest if s.place <= 10),
            stopped=stopped,
            outcomes=outcomes,
            before=(month - _DAY).replace(day=1) if begun and begun < month else None,
            after=last + _DAY if last < today else None,
        )

    def _limits(self, dearest: Sequence[DearSession]) -> tuple[TierLimit, ...]:
        first = {s.tier: s for s in dearest if s.place_in_tier == 1}
        return tuple(
            TierLimit(t.tier, t.name, t.budget_usd, variable_of(f"tier{t.tier}_budget_usd"), first.get(t.tier))
            for t in self._settings.tiers
        )

    def _today(self) -> date:
        return self._clock.now().astimezone(self._zone).date()

    def _begin(self, day: date) -> datetime:
        return datetime.combine(day, time(), self._zone).astimezone(UTC)


def _forecast(
    cells: Sequence[CostCell], own: Sequence[CostCell], begun: date | None, today: date, last: date
) -> Forecast | None:
    if begun is None:
        return None
    spent: dict[date, float] = {}
    for c in cells:
        spent[c.day] = spent.get(c.day, 0.0) + c.cost_usd
    known = [today - _DAY * n for n in range(WINDOW, 0, -1)]
    whole = [spent.get(day, 0.0) for day in known if day >= begun]
    return forecast(sum(c.cost_usd for c in own), spent.get(today, 0.0), whole, (last - today).days)


def _parts(cells: Sequence[CostCell]) -> tuple[str, ...]:
    places = {c.part: c.place for c in cells}
    return tuple(sorted(places, key=lambda part: (places[part], part)))


def _last_day(month: date) -> date:
    return month.replace(day=calendar.monthrange(month.year, month.month)[1])
