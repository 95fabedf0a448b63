"""What all sessions together may cost in a day and a month, what is left of it, and a person's pause.

Reads come from the record, so that they show without Temporal too.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from adapters.database.budget import BudgetStore, TierCost
from adapters.engine.budget import TemporalBudget
from config.settings import Settings, variable_of
from domain.budget import BudgetNote, Reservation, ReservationState, Window, WindowKind
from domain.ports import Clock
from policy import budget
from web.services.answers import Act, Actor
from web.services.costs import CostViews
from web.services.engine_link import EngineLink

NEWEST = 20  # sessions of a tier that say what one costs
LOOK_BACK = timedelta(days=30)


@dataclass(frozen=True)
class WindowView:
    """A day or month. `limit_usd` None: no limit. `full`: no session of any tier could begin now because of it."""

    window: Window
    spent_usd: float
    reserved_usd: float
    limit_usd: float | None
    left_usd: float | None
    alert_usd: float | None
    full: bool
    variable: str
    forecast_usd: float | None  # of the month


@dataclass(frozen=True)
class TierPrice:
    """What one session of a tier would cost. `fit` counts those that fit into what is left; None: no limit."""

    tier: int
    name: str
    model: str
    bound_usd: float
    variable: str
    newest: TierCost | None
    fit: int | None


@dataclass(frozen=True)
class Held:
    """A reservation that is open, with what its process may still spend."""

    reservation: Reservation
    left_usd: float


@dataclass(frozen=True)
class Budgets:
    """Everything on the page. `note` is the newest one; `engine` is False while Temporal does not answer."""

    windows: tuple[WindowView, ...]
    tiers: tuple[TierPrice, ...]
    held: tuple[Held, ...]
    note: BudgetNote | None
    alert_percent: float
    timezone: str
    engine: bool

    @property
    def paused(self) -> BudgetNote | None:
        """Who paused all sessions, where somebody did."""
        return self.note if self.note and self.note.paused else None

    @property
    def limited(self) -> bool:
        """Whether any limit is set."""
        return any(w.limit_usd is not None for w in self.windows)


class BudgetViews:
    """Reads, and the pause. Raises RecordUnavailableError, and for acts EngineUnavailableError."""

    def __init__(
        self,
        store: BudgetStore,
        costs: CostViews,
        ask: TemporalBudget,
        engine: EngineLink,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._store = store
        self._costs = costs
        self._ask = ask
        self._engine = engine
        self._settings = settings
        self._clock = clock

    async def read(self) -> Budgets:
        """As it is now."""
        now, limits = self._clock.now(), self._settings.budget_limits
        day, month = budget.windows(now, ZoneInfo(limits.timezone))
        held, note, spent, costs, prices, engine = await asyncio.gather(
            self._held(),
            self._store.budget_note(),
            asyncio.gather(self._store.spent_since(day.since), self._store.spent_since(month.since)),
            self._costs.month(self._costs.this_month, "tier"),
            self._store.tier_costs([t.tier for t in self._settings.tiers], (now - LOOK_BACK).date(), NEWEST),
            self._engine.alive(),
        )
        windows = (
            self._window(day, spent[0], limits.day_usd, held, None),
            self._window(month, spent[1], limits.month_usd, held, costs.forecast.total if costs.forecast else None),
        )
        return Budgets(
            windows=windows,
            tiers=self._tiers(windows, prices),
            held=held,
            note=note,
            alert_percent=limits.alert_percent,
            timezone=limits.timezone,
            engine=engine,
        )

    async def _held(self) -> tuple[Held, ...]:
        now = self._clock.now()
        reservations = await self._store.reservations(now)
        # The budget writes the end of one that ran out as soon as it and the record can be reached.
        running = [r for r in reservations if r.state == ReservationState.RESERVED and r.ends_at > now]
        spent = await self._store.spent_by([r.session for r in running])
        return tuple(Held(r, budget.left_of(r, spent)) for r in running)

    def _window(
        self, window: Window, spent: float, limit: float | None, held: Sequence[Held], forecast: float | None
    ) -> WindowView:
        reserved = sum(h.left_usd for h in held)
        left = None if limit is None else max(0.0, limit - spent - reserved)
        return WindowView(
            window=window,
            spent_usd=spent,
            reserved_usd=reserved,
            limit_usd=limit,
            left_usd=left,
            alert_usd=None if limit is None else limit * self._settings.budget_alert_percent / 100,
            full=left is not None and not any(_fit(left, t.budget_usd) for t in self._settings.tiers),
            variable=variable_of(f"budget_{window.kind}_usd"),
            forecast_usd=forecast if window.kind == WindowKind.MONTH else None,
        )

    def _tiers(self, windows: Sequence[WindowView], prices: Sequence[TierCost]) -> tuple[TierPrice, ...]:
        newest = {p.tier: p for p in prices}
        left = min((w.left_usd for w in windows if w.left_usd is not None), default=None)
        return tuple(
            TierPrice(
                tier=t.tier,
                name=t.name,
                model=t.model,
                bound_usd=t.budget_usd,
                variable=variable_of(f"tier{t.tier}_budget_usd"),
                newest=newest.get(t.tier),
                fit=None if left is None else _fit(left, t.budget_usd),
            )
            for t in self._settings.tiers
        )

    async def pause(self, reason: str, actor: Actor) -> Act:
        """No session begins any more, whatever the limits allow; what runs goes on."""
        return await self._note(True, reason, actor, "No session begins until somebody resumes them. Probes go on.")

    async def resume(self, reason: str, actor: Actor) -> Act:
        """Sessions may begin again, within the limits."""
        return await self._note(False, reason, actor, "Sessions begin again when something fails.")

    async def _note(self, paused: bool, reason: str, actor: Actor, then: str) -> Act:
        word = "paused" if paused else "resumed"
        if not reason.strip():
            return Act(accepted=False, message=f"Say why they are {word}; it is kept with your name.")
        note = BudgetNote(paused=paused, reason=reason.strip(), actor=actor.name, actor_kind=actor.kind)
        if not await self._ask.note(note):
            return Act(accepted=False, message=f"Model sessions are {'paused' if paused else 'not paused'} already.")
        return Act(accepted=True, message=f"Model sessions are {word}. {then}")


def _fit(left: float, bound: float) -> int:
    """How many sessions may still begin, by the same hair's breadth as where they are let in."""
    return int((left + 1e-9) / bound)
