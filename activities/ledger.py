"""The ledger's own record, and the way for other workflows to reach a ledger."""

from datetime import timedelta

from temporalio import activity

from activities.errors import mapped
from domain.base import Value
from domain.ids import ServiceId
from domain.ledger import Journal, LedgerHistory, LedgerNote, Permit, PermitAnswer, PermitOutcome, PermitRequest
from domain.ports import Clock, IncidentRecords, Ledger
from domain.work import SettleOrder

KEEP = timedelta(days=8)  # longer than any window that a rule may name


class NoteOrder(Value):
    """A person's change to a ledger, for the record."""

    service: ServiceId
    kind: str
    note: LedgerNote


class LedgerRecordActivities:
    """What a ledger writes and, after a loss of the engine's state, reads back."""

    def __init__(self, records: IncidentRecords, clock: Clock) -> None:
        self._records = records
        self._clock = clock

    @activity.defn
    @mapped
    async def ledger_history(self, service: ServiceId) -> LedgerHistory:
        """All permits that a window can still reach, with maintenance, snooze and resets."""
        permits = await self._records.permits(service, self._clock.now() - KEEP)
        notes = await self._records.ledger_notes(service)
        maintenance, snooze, reset = notes.get("maintenance"), notes.get("snooze"), notes.get("reset")
        journal = Journal(
            service=service,
            permits=permits,
            maintenance_until=maintenance[0] if maintenance else None,
            maintenance_reason=maintenance[1] if maintenance else "",
            snoozed_until=snooze[0] if snooze else None,
            snooze_reason=snooze[1] if snooze else "",
            resets=(reset[2],) if reset else (),
        )
        return LedgerHistory(journal=journal)

    @activity.defn
    @mapped
    async def write_permit(self, permit: Permit) -> None:
        """No permit counts as granted before this row is there: no record, no effect."""
        await self._records.save_permit(permit)

    @activity.defn
    @mapped
    async def write_note(self, order: NoteOrder) -> None:
        """Maintenance, snooze or reset, with who and why."""
        now = self._clock.now()
        note = order.note
        await self._records.save_ledger_note(order.service, order.kind, note.until, note.reason, note.actor, now)
        detail: dict[str, object] = {"reason": note.reason, "until": note.until.isoformat() if note.until else ""}
        await self._records.audit(
            f"note/{order.service}/{order.kind}/{now.isoformat()}",
            now,
            "user",
            note.actor,
            f"ledger.{order.kind}",
            order.service,
            detail,
        )


class PermitActivities:
    """Asks the ledger on behalf of an escalation: a workflow cannot update another one."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @activity.defn
    @mapped
    async def acquire_permit(self, request: PermitRequest) -> PermitAnswer:
        """Take a slot. Repeating with the same permit id takes no second one."""
        return await self._ledger.acquire(request)

    @activity.defn
    @mapped
    async def settle_permit(self, order: SettleOrder) -> None:
        """Confirm (it was begun, it counts) or release (nothing was done)."""
        outcome = PermitOutcome(id=order.permit, outcome=order.outcome)
        if order.confirmed:
            await self._ledger.confirm(order.service, outcome)
        else:
            await self._ledger.release(order.service, outcome)
