"""Sessions: when they ran, what came of them, and what the next one is told."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from adapters.database.output import OutputStore
from adapters.database.pool import Pool, first
from adapters.database.text import jsonb
from domain.action import Action
from domain.errors import FatalError
from domain.health import ProbeResult
from domain.ids import BAIT_WORKFLOWS, IncidentId, SessionId
from domain.ports import IncidentBrief
from domain.session import Isolation, OutputLine, SessionOrder, SessionOutcome

BRIEF_RESULTS = 40
BRIEF_ACTIONS = 50
BRIEF_REPORTS = 12


class SessionStore:
    """Implements domain.ports.SessionRecords."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._output = OutputStore(pool)

    async def session_started(self, order: SessionOrder, isolation: Isolation, scripted: bool, at: datetime) -> None:
        """Once per (session, attempt); a repetition keeps the first time."""
        params = {
            "id": order.session,
            "attempt": order.attempt,
            "incident": order.incident,
            "workflow_id": order.workflow_id,
            "tier": order.tier.tier,
            "model": order.tier.model,
            "engine": isolation.engine,
            "isolated": isolation.isolated,
            "scripted": scripted,
            "at": at,
        }
        await self._pool.write("save_session", params, f"session:{order.session}", f"incident:{order.incident}")

    async def session_ended(self, outcome: SessionOutcome) -> None:
        """Raises FatalError for a session that was never written as started."""
        key = {"id": outcome.session, "attempt": outcome.attempt}
        incident = first(await self._pool.scalars("incident_of_session", key))
        if incident is None:
            raise FatalError(f"session {outcome.session} is not in the record; write its start first")
        usage = outcome.usage.model_dump()
        params = {
            **key,
            "status": outcome.status,
            "message": outcome.message,
            "report": None if outcome.report is None else jsonb(outcome.report),
            "lines": outcome.lines,
            "ended_at": outcome.ended_at,
            **usage,
        }
        await self._pool.write("end_session", params, f"session:{outcome.session}", f"incident:{incident}")

    async def append_output(self, session: SessionId, attempt: int, lines: Sequence[OutputLine]) -> None:
        """See OutputStore."""
        await self._output.append_output(session, attempt, lines)

    async def last_seq(self, session: SessionId, attempt: int) -> int:
        """See OutputStore."""
        return await self._output.last_seq(session, attempt)

    async def actions_of(self, incident: IncidentId) -> tuple[Action, ...]:
        """All actions of an incident, oldest first."""
        bodies = await self._pool.scalars("actions_of_incident", {"incident": incident})
        return tuple(Action.model_validate(body) for body in bodies)

    async def incident_brief(self, incident: IncidentId) -> IncidentBrief:
        """What the next session is told, bounded. Raises FatalError for an unknown incident."""
        row = first(await self._pool.rows("incident_brief", {"id": incident}))
        if row is None:
            raise FatalError(f"incident {incident} is not in the record; open it first")
        service, affected, summary = row
        services = [service, *(a for a in affected if a != service)]
        bounded = {"incident": incident}
        results, actions, reports, bait = await asyncio.gather(
            self._pool.values("newest_probe_results", ProbeResult, {"services": services, "limit": BRIEF_RESULTS}),
            self._pool.scalars("newest_actions_of_incident", {**bounded, "limit": BRIEF_ACTIONS}),
            self._pool.rows("reports_of_incident", {**bounded, "limit": BRIEF_REPORTS}),
            self._pool.scalars("open_bait", {"of_bait": BAIT_WORKFLOWS, "services": services}),
        )
        return IncidentBrief(
            incident=incident,
            service=service,
            summary=summary,
            affected=tuple(affected),
            results=tuple(results),
            actions=tuple(Action.model_validate(body) for body in reversed(actions)),
            reports=tuple((tier, report) for tier, report in reversed(reports)),
            bait_seen=IncidentId(str(bait[0])) if bait else None,
        )
