"""What was spent, read from what was added up while calls were stored."""

from datetime import date, datetime

from adapters.database.pool import Connection, Pool, execute, first
from adapters.database.records import CostCell, DearSession, LimitRow, TierOutcome

NEWEST = 1000  # processes that say how sessions end


class CostDays:
    """Sums of whole days, kept in one zone. For another one pages add up half hours: slower, the same numbers."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def keep(self, zone: str) -> None:
        """Count days in this zone from now on, and anew what lies behind. Raises FatalError for one that is unknown."""

        async def work(conn: Connection) -> None:
            await execute(conn, "allow_long_statement")
            await execute(conn, "lock_cost_zone")
            await execute(conn, "save_cost_zone", {"zone": zone})
            await execute(conn, "drop_cost_days")
            await execute(conn, "count_cost_days", {"zone": zone})

        await self._pool.run(work)


class CostReads:
    """Typed reads. Every method raises RecordUnavailableError where Postgres cannot be used."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def costs(self, since: datetime, until: datetime, by: str, zone: str) -> tuple[CostCell, ...]:
        """Spending per day and part in [since, until), `by` tier, service or trigger; days as `zone` has them."""
        params = {"since": since, "until": until, "by": by, "zone": zone}
        return tuple(await self._pool.values("list_costs", CostCell, params))

    async def first(self) -> datetime | None:
        """When spending was first counted; None where it never was."""
        found = first(await self._pool.scalars("first_cost_slot"))
        return found if isinstance(found, datetime) else None

    async def dearest(self, begin: date, end: date) -> tuple[DearSession, ...]:
        """Of the days [begin, end] (UTC): the ten dearest sessions, and the dearest of each tier."""
        return tuple(await self._pool.values("dearest_sessions", DearSession, {"first": begin, "last": end}))

    async def at_limit(self, since: datetime, until: datetime, limit: int = 10) -> tuple[LimitRow, ...]:
        """Processes that a limit ended in [since, until), newest first."""
        params = {"since": since, "until": until, "limit": limit}
        return tuple(await self._pool.values("sessions_at_limit", LimitRow, params))

    async def outcomes(self) -> tuple[TierOutcome, ...]:
        """How the newest processes ended, per tier."""
        return tuple(await self._pool.values("session_outcomes", TierOutcome, {"limit": NEWEST}))
