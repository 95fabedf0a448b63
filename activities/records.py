"""Writes to the record. Every write may be repeated, so that a retry changes nothing."""

from temporalio import activity

from activities.errors import mapped
from domain.ports import IncidentRecords
from domain.work import OpenOrder, RecordOrder


class RecordActivities:
    """Incidents, actions, approvals, their timeline and the audit."""

    def __init__(self, records: IncidentRecords, *, scripted: bool) -> None:
        self._records = records
        self._scripted = scripted

    @activity.defn
    @mapped
    async def open_incident(self, order: OpenOrder) -> bool:
        """Write the incident; answers whether the model is scripted, which every page must say."""
        await self._records.incident_opened(
            order.incident,
            order.alert,
            order.workflow_id,
            order.run_id,
            order.dry_run,
            self._scripted,
            order.requested_by,
            order.prompt,
        )
        return self._scripted

    @activity.defn
    @mapped
    async def record(self, order: RecordOrder) -> None:
        """Several writes in order."""
        for change in order.states:
            await self._records.incident_state(change.incident, change.state, change.tier, change.summary, change.at)
        for action in order.actions:
            await self._records.save_action(action)
        for approval in order.approvals:
            await self._records.save_approval(approval)
        for key, entry in order.timeline:
            await self._records.timeline(key, entry)
        for line in order.audit:
            await self._records.audit(
                line.key, line.at, line.actor_kind, line.actor, line.action, line.target, line.detail
            )
