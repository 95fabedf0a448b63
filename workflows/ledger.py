"""The ledger of one service: an entity that grants permits, and forgets nothing that still counts."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

from activities.ledger import LedgerRecordActivities, NoteOrder
from domain.engine import (
    LEDGER,
    QUERY_JOURNAL,
    UPDATE_ACQUIRE,
    UPDATE_CONFIRM,
    UPDATE_MAINTENANCE,
    UPDATE_RELEASE,
    UPDATE_RESET,
    UPDATE_SNOOZE,
)
from domain.ids import PermitId
from domain.ledger import (
    Journal,
    LedgerNote,
    LedgerStart,
    Permit,
    PermitAnswer,
    PermitOutcome,
    PermitRequest,
    PermitState,
)
from policy import cooldown
from workflows import options

KEEP_S = 8 * 86_400.0
MAX_UPDATES = 1_500  # a run takes 2,000 at most

_WRITE_AGAIN = RetryPolicy(
    initial_interval=timedelta(seconds=0.2), maximum_interval=timedelta(seconds=3), maximum_attempts=20
)


@workflow.defn(name=LEDGER)
class LedgerWorkflow:
    """Reached only by updates. State is one journal; every rule is in policy/cooldown.py."""

    @workflow.init
    def __init__(self, start: LedgerStart) -> None:
        self._service = start.service
        self._journal = start.journal
        self._unwritten: set[PermitId] = set()  # granted, but not in the record yet: nobody was told so
        self._updates = 0

    @workflow.run
    async def run(self, start: LedgerStart) -> None:
        """Read the record back where nothing was handed over; then live until history asks for a fresh run."""
        workflow.set_current_details(f"Permits of `{start.service}`")
        if self._journal is None:
            history = await workflow.execute_activity_method(
                LedgerRecordActivities.ledger_history, start.service, **options.RECORD
            )
            self._journal = history.journal
        await workflow.wait_condition(
            lambda: self._updates >= MAX_UPDATES or workflow.info().is_continue_as_new_suggested()
        )
        await workflow.wait_condition(workflow.all_handlers_finished)
        journal = cooldown.trim(self._without(self._unwritten), workflow.now(), KEEP_S)
        workflow.continue_as_new(LedgerStart(service=self._service, journal=journal))

    async def _ready(self) -> Journal:
        self._updates += 1
        await workflow.wait_condition(lambda: self._journal is not None)
        self._journal = cooldown.expire(self._now(), workflow.now())
        return self._journal

    @workflow.update(name=UPDATE_ACQUIRE)
    async def acquire(self, request: PermitRequest) -> PermitAnswer:
        """Reserve a slot, write it down, then answer. Not written: the caller asks again and the slot stays taken."""
        journal = await self._ready()
        answer, self._journal = cooldown.decide(journal, request, workflow.now())
        if answer.permit is None:
            return answer
        if len(self._journal.permits) > len(journal.permits):
            self._unwritten.add(request.id)
        # Whoever asks for a permit that is still being written writes it too: an answer from memory alone would let
        # an effect happen that no record knows, should the first writer fail.
        if request.id in self._unwritten:
            try:
                await self._write(answer.permit)
            except ActivityError as e:
                raise ApplicationError(
                    "the record cannot be reached; no record, no effect", type="RecordUnavailableError"
                ) from e
            self._unwritten.discard(request.id)
        return answer

    def _without(self, permits: set[PermitId]) -> Journal:
        journal = self._now()
        return journal.model_copy(update={"permits": tuple(p for p in journal.permits if p.id not in permits)})

    def _now(self) -> Journal:
        """The journal as it is after whatever other handlers did while this one waited."""
        assert self._journal is not None  # noqa: S101 - for the type checker
        return self._journal

    async def _write(self, permit: Permit) -> None:
        # A local activity answers within the same workflow task: an ordinary one would double a permit's latency.
        await workflow.execute_local_activity_method(
            LedgerRecordActivities.write_permit,
            permit,
            start_to_close_timeout=timedelta(seconds=10),
            schedule_to_close_timeout=timedelta(seconds=45),
            retry_policy=_WRITE_AGAIN,
        )

    @workflow.update(name=UPDATE_CONFIRM)
    async def confirm(self, outcome: PermitOutcome) -> bool:
        """The action was begun: the permit counts."""
        return await self._close(outcome, PermitState.CONFIRMED)

    @workflow.update(name=UPDATE_RELEASE)
    async def release(self, outcome: PermitOutcome) -> bool:
        """Nothing was done: the slot is free again."""
        return await self._close(outcome, PermitState.RELEASED)

    async def _close(self, outcome: PermitOutcome, state: PermitState) -> bool:
        journal = await self._ready()
        self._journal = cooldown.close(journal, outcome.id, state, outcome.outcome)
        closed = next((p for p in self._journal.permits if p.id == outcome.id), None)
        if closed is not None:
            await self._write_or_retry(closed)
        return closed is not None

    async def _write_or_retry(self, permit: Permit) -> None:
        try:
            await self._write(permit)
        except ActivityError as e:
            raise ApplicationError("the record cannot be reached; ask again", type="RecordUnavailableError") from e

    @workflow.update(name=UPDATE_MAINTENANCE)
    async def maintenance(self, note: LedgerNote) -> bool:
        """A person works on the service: nothing is done to it until then. No time ends it now."""
        await self._ready()
        await self._note("maintenance", note)
        self._journal = self._now().model_copy(
            update={"maintenance_until": note.until, "maintenance_reason": note.reason}
        )
        return True

    @workflow.update(name=UPDATE_SNOOZE)
    async def snooze(self, note: LedgerNote) -> bool:
        """Nothing opens and nothing is done until then. No time ends it now."""
        await self._ready()
        await self._note("snooze", note)
        self._journal = self._now().model_copy(update={"snoozed_until": note.until, "snooze_reason": note.reason})
        return True

    @workflow.update(name=UPDATE_RESET)
    async def reset(self, note: LedgerNote) -> bool:
        """A person gives all slots back, with a reason."""
        await self._ready()
        await self._note("reset", note)
        self._journal = self._now().model_copy(update={"resets": (*self._now().resets, workflow.now())})
        return True

    @maintenance.validator
    def _valid_maintenance(self, note: LedgerNote) -> None:
        _demand_reason(note)

    @snooze.validator
    def _valid_snooze(self, note: LedgerNote) -> None:
        _demand_reason(note)

    @reset.validator
    def _valid_reset(self, note: LedgerNote) -> None:
        _demand_reason(note)

    async def _note(self, kind: str, note: LedgerNote) -> None:
        order = NoteOrder(service=self._service, kind=kind, note=note)
        await workflow.execute_activity_method(LedgerRecordActivities.write_note, order, **options.RECORD)

    @workflow.query(name=QUERY_JOURNAL)
    def journal(self) -> Journal:
        """The journal as it is now."""
        return self._journal or Journal(service=self._service)


def _demand_reason(note: LedgerNote) -> None:
    if not note.reason.strip() or not note.actor.strip():
        raise ApplicationError("say who and why: both 'actor' and 'reason' are needed", non_retryable=True)
