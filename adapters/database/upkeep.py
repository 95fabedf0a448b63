"""What is too old, and what was left behind."""

from datetime import datetime

from adapters.database.pool import Connection, Pool, execute
from domain.action import Action
from domain.ids import IncidentId, SessionId
from domain.incident import Approval
from domain.notice import DigestCounts

# In this order: what hangs on an incident goes while the incident still tells that it is closed.
_PRUNED = (
    "session_output",
    "model_call",
    "cost_slot",
    "cost_day",
    "session_cost",
    "reservation",
    "budget_note",
    "session",
    "timeline",
    "action",
    "approval_link",
    "approval",
    "permit",
    "notice",
    "audit",
    "ledger_note",
    "probe_result",
    "probe_slot",
    "probe_half_day",
    "patrol",
    "incident",
    "memory_source",
    "memory",
    "service",
    "web_session",
    "known_browser",
    "entry_code",
    "login_attempt",
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

    async def open_sessions(self) -> tuple[tuple[SessionId, int, str], ...]:
        """(session, attempt, workflow id) of every process that was not written as ended."""
        return tuple((SessionId(i), int(n), str(w)) for i, n, w in await self._pool.rows("open_sessions"))

    async def session_lost(self, session: SessionId, attempt: int, at: datetime) -> None:
        """End a process in the record whose workflow is gone."""
        params = {"id": session, "attempt": attempt, "message": "its workflow is gone", "at": at}
        await self._pool.write("session_lost", params, f"session:{session}")

    async def approvals_of(self, incident: IncidentId) -> tuple[Approval, ...]:
        """All approvals of an incident, oldest first."""
        bodies = await self._pool.scalars("approvals_of_incident", {"incident": incident})
        return tuple(Approval.model_validate(body) for body in bodies)

    async def actions_of(self, incident: IncidentId) -> tuple[Action, ...]:
        """All actions of an incident, oldest first."""
        bodies = await self._pool.scalars("actions_of_incident", {"incident": incident})
        return tuple(Action.model_validate(body) for body in bodies)

    async def digest(self, since: datetime, until: datetime) -> DigestCounts:
        """What one day's digest tells."""
        return (await self._pool.values("digest_counts", DigestCounts, {"since": since, "until": until}))[0]

    async def open_incidents(self) -> tuple[tuple[IncidentId, str], ...]:
        """(incident, workflow id) of every incident that the record holds open."""
        return tuple((IncidentId(i), str(w)) for i, w in await self._pool.rows("open_incidents"))
