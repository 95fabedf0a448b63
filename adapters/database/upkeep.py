"""What is too old, and what was left behind."""

from datetime import datetime

from adapters.database.pool import Connection, Pool, execute
from domain.ids import IncidentId, SessionId

# In this order: what hangs on an incident goes while the incident still tells that it is closed.
_PRUNED = (
    "session_output",
    "model_call",
    "session",
    "timeline",
    "action",
    "approval",
    "permit",
    "notice",
    "audit",
    "ledger_note",
    "probe_result",
    "probe_slot",
    "patrol",
    "incident",
    "service",
)


class UpkeepStore:
    """Implements domain.ports.UpkeepRecords."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def prune(self, before: datetime) -> dict[str, int]:
        """Delete what is older, return rows per table. Nothing of an open incident goes, nor what is in force."""
        return {table: await self._prune(table, before) for table in _PRUNED}

    async def _prune(self, table: str, before: datetime) -> int:
        async def work(conn: Connection) -> int:
            await execute(conn, "allow_long_statement")
            return await execute(conn, f"prune_{table}", {"before": before})

        return await self._pool.run(work)

    async def running_sessions(self) -> tuple[SessionId, ...]:
        """Sessions with a process that has not been written as ended."""
        return tuple(SessionId(str(found)) for found in await self._pool.scalars("running_sessions"))

    async def open_incidents(self) -> tuple[tuple[IncidentId, str], ...]:
        """(incident, workflow id) of every incident that the record holds open."""
        return tuple((IncidentId(i), str(w)) for i, w in await self._pool.rows("open_incidents"))
