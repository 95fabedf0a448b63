"""Promises of money, and what was spent already."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import cast

from adapters.database.pool import Connection, Pool, execute, first, tell
from domain.budget import BudgetNote, Reservation
from domain.ids import SessionId

TOPIC = "budget"


@dataclass(frozen=True, slots=True)
class TierCost:
    """What the newest sessions of a tier cost, in USD."""

    tier: int
    sessions: int
    mean_usd: float
    dearest_usd: float


class BudgetStore:
    """Implements domain.ports.BudgetRecords."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def reservations(self, since: datetime) -> tuple[Reservation, ...]:
        """All that are open, and those that ended after `since`, oldest first."""
        return tuple(await self._pool.values("list_reservations", Reservation, {"since": since}))

    async def save_reservations(self, reservations: Sequence[Reservation]) -> None:
        """All or none. One that was settled stays so."""

        async def work(conn: Connection) -> None:
            for reservation in reservations:
                await execute(conn, "save_reservation", reservation.model_dump())
            await tell(conn, TOPIC)

        await self._pool.run(work)

    async def spent_since(self, since: datetime) -> float:
        """What all sessions cost since then, in USD. A half hour that began before `since` counts whole."""
        return float(cast("float", first(await self._pool.scalars("spent_since", {"since": since}))))

    async def spent_by(self, sessions: Sequence[SessionId]) -> dict[SessionId, float]:
        """What each session cost so far, in USD. Who spent nothing is not named."""
        if not sessions:
            return {}
        rows = await self._pool.rows("spent_by_sessions", {"sessions": list(sessions)})
        return {SessionId(str(session)): float(usd) for session, usd in rows}

    async def tier_costs(self, tiers: Sequence[int], since: date, limit: int) -> tuple[TierCost, ...]:
        """Of each tier the newest `limit` sessions since a day. A tier without any is not named."""
        params = {"tiers": list(tiers), "since": since, "limit": limit}
        return tuple(await self._pool.values("mean_cost_of_tiers", TierCost, params))

    async def save_budget_note(self, note: BudgetNote, at: datetime) -> None:
        """A pause or its end."""
        await self._pool.write("save_budget_note", {**note.model_dump(), "at": at}, TOPIC)

    async def budget_note(self) -> BudgetNote | None:
        """The newest one."""
        return first(await self._pool.values("newest_budget_note", BudgetNote))
