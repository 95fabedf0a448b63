"""The numbers that a monitoring system asks for. Reads only; costs no more on a full record than on an empty one."""

import asyncio
from dataclasses import dataclass

from adapters.engine.look import EngineLook
from domain.budget import WindowKind
from domain.errors import EngineUnavailableError
from web.services.budgets import BudgetViews
from web.services.costs import CostViews
from web.services.engine_link import EngineLink
from web.services.insights import Insights

_GLANCE_S = 2.0  # a scrape does not wait longer for Temporal


@dataclass(frozen=True)
class Numbers:
    """Now. `queued` is None while Temporal does not answer. Windows are `today` and `month`, in the owner's zone."""

    running: int
    queued: int | None
    open_incidents: int
    needs_person: int
    approvals: int
    services: dict[str, float]
    cost_usd: dict[str, float]
    tokens: dict[str, float]
    calls: dict[str, float]
    patrol_at: float | None
    budget_limit_usd: dict[str, float]  # only the windows that have one
    budget_reserved_usd: float
    budget_paused: bool


class Metrics:
    """Raises RecordUnavailableError where the record cannot be used: a scrape must fail then, not show zeros."""

    def __init__(
        self, insights: Insights, costs: CostViews, budgets: BudgetViews, look: EngineLook, engine: EngineLink
    ) -> None:
        self._insights = insights
        self._costs = costs
        self._budgets = budgets
        self._look = look
        self._engine = engine

    async def read(self) -> Numbers:
        """All of them at once."""
        overview, month, budgets, queued = await asyncio.gather(
            self._insights.overview(),
            self._costs.month(self._costs.this_month, "tier"),
            self._budgets.read(),
            self._queued(),
        )
        counts, today = overview.counts, overview.today
        return Numbers(
            running=counts.running_sessions,
            queued=queued,
            open_incidents=counts.open_incidents,
            needs_person=counts.needs_person,
            approvals=counts.pending_approvals,
            services={
                "up": counts.up,
                "degraded": counts.degraded,
                "down": counts.down,
                "unknown": counts.unknown,
            },
            cost_usd={"today": today.cost_usd, "month": month.total.cost_usd},
            tokens={"today": today.tokens, "month": month.total.tokens},
            calls={"today": today.calls, "month": month.total.calls},
            patrol_at=overview.patrol.ended_at.timestamp() if overview.patrol else None,
            budget_limit_usd={
                "today" if w.window.kind == WindowKind.DAY else "month": w.limit_usd
                for w in budgets.windows
                if w.limit_usd is not None
            },
            budget_reserved_usd=sum(h.left_usd for h in budgets.held),
            budget_paused=budgets.paused is not None,
        )

    async def _queued(self) -> int | None:
        if not await self._engine.alive():
            return None
        try:
            async with asyncio.timeout(_GLANCE_S):
                return await self._look.queued_sessions()
        except (EngineUnavailableError, TimeoutError):
            return None
