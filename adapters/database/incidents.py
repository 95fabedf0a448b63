"""Incidents, actions, permits and approvals. Every write may come twice or late: the newest truth stays."""

from datetime import datetime

from adapters.database.audit import AuditStore
from adapters.database.pool import Pool, first
from adapters.database.text import jsonb
from domain.action import Action
from domain.errors import FatalError
from domain.ids import ActionId, IncidentId, ServiceId
from domain.incident import CLOSED_STATES, Alert, Approval, ApprovalState, IncidentState, Timeline
from domain.ledger import Permit


class IncidentStore:
    """Implements domain.ports.IncidentRecords."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._audit = AuditStore(pool)

    async def incident_opened(
        self,
        incident: IncidentId,
        alert: Alert,
        workflow_id: str,
        run_id: str,
        dry_run: bool,
        scripted: bool,
        requested_by: str,
        prompt: str,
    ) -> None:
        """The first write of an incident; it opened when its alert was seen."""
        params = {
            "id": incident,
            "service": alert.service,
            "affected": list(alert.affected),
            "trigger": alert.trigger,
            "summary": alert.summary,
            "prompt": prompt,
            "requested_by": requested_by,
            "alert": jsonb(alert),
            "workflow_id": workflow_id,
            "run_id": run_id,
            "dry_run": dry_run,
            "scripted": scripted,
            "at": alert.at,
        }
        await self._pool.write("save_incident", params, _topic(incident))

    async def incident_state(
        self, incident: IncidentId, state: IncidentState, tier: int, summary: str, at: datetime
    ) -> None:
        """Raises FatalError for an incident that was never opened: its page would be missing without a word."""
        params = {
            "id": incident,
            "state": state,
            "tier": tier,
            "summary": summary,
            "at": at,
            "closed": state in CLOSED_STATES,
        }
        changed = await self._pool.write("save_incident_state", params, _topic(incident))
        if not changed and not await self._pool.rows("has_incident", {"id": incident}):
            raise FatalError(f"incident {incident} is not in the record; open it first")

    async def timeline(self, key: str, entry: Timeline) -> None:
        """`key` makes a repeated write the same entry."""
        params = {
            "key": key,
            "incident": entry.incident,
            "at": entry.at,
            "kind": entry.kind,
            "tier": entry.tier,
            "text": entry.text,
            "detail": jsonb(entry.detail),
        }
        await self._pool.write("save_timeline", params, _topic(entry.incident))

    async def save_action(self, action: Action) -> None:
        """States only go forward; a final one stays."""
        params = {
            "id": action.id,
            "incident": action.incident,
            "session": action.session,
            "tier": action.tier,
            "kind": action.kind,
            "target": action.target,
            "digest": action.digest,
            "state": action.state,
            "message": action.message,
            "body": jsonb(action),
            "requested_at": action.requested_at,
            "finished_at": action.finished_at,
        }
        await self._pool.write("save_action", params, _topic(action.incident), "action")

    async def begin_action(self, action: Action) -> bool:
        """True once per action, and again for the very same write after a lost answer."""
        params = {"id": action.id, "body": jsonb(action)}
        return await self._pool.write("begin_action", params, _topic(action.incident), "action") > 0

    async def find_action(self, action: ActionId) -> Action | None:
        """The action as last written, or None where it never reached the record."""
        found = first(await self._pool.scalars("find_action", {"id": action}))
        return None if found is None else Action.model_validate(found)

    async def save_permit(self, permit: Permit) -> None:
        """A slot that was used stays used, whatever arrives late."""
        await self._pool.write("save_permit", permit.model_dump(), "ledger")

    async def permits(self, service: ServiceId, since: datetime) -> tuple[Permit, ...]:
        """Granted at or after `since`, oldest first."""
        params = {"service": service, "since": since}
        return tuple(await self._pool.values("permits_of_service", Permit, params))

    async def save_approval(self, approval: Approval) -> None:
        """The first decision stands."""
        decided_at = approval.decided_at
        if approval.state != ApprovalState.PENDING and decided_at is None:
            decided_at = approval.expires_at  # nobody decided: that is when it ended at the latest
        params = {
            "id": approval.id,
            "incident": approval.incident,
            "workflow_id": approval.workflow_id,
            "action": approval.action.id,
            "digest": approval.digest,
            "state": approval.state,
            "body": jsonb(approval),
            "requested_at": approval.requested_at,
            "expires_at": approval.expires_at,
            "decided_at": decided_at,
            "decided_by": approval.decided_by,
            "reason": approval.reason,
        }
        await self._pool.write("save_approval", params, _topic(approval.incident), "approval")

    async def save_ledger_note(
        self, service: ServiceId, kind: str, until: datetime | None, reason: str, actor: str, at: datetime
    ) -> None:
        """`kind`: maintenance, snooze or reset. `until` None ends a maintenance or snooze."""
        params = {"service": service, "kind": kind, "until": until, "reason": reason, "actor": actor, "at": at}
        await self._pool.write("save_ledger_note", params, "ledger")

    async def ledger_notes(self, service: ServiceId) -> dict[str, tuple[datetime | None, str, datetime]]:
        """Newest note per kind: (until, reason, at)."""
        rows = await self._pool.rows("newest_ledger_notes", {"service": service})
        return {str(kind): (until, reason, at) for kind, until, reason, at in rows}

    async def audit(
        self, key: str, at: datetime, actor_kind: str, actor: str, action: str, target: str, detail: dict[str, object]
    ) -> None:
        """See AuditStore."""
        await self._audit.audit(key, at, actor_kind, actor, action, target, detail)


def _topic(incident: str) -> str:
    return f"incident:{incident}"
