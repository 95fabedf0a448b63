"""The owner's money over all sessions: an entity that promises it, and forgets no promise that still counts."""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from activities.budget import BudgetRecordActivities, NoteOrder, ReservationsOrder, SpendingOrder
from domain.budget import (
    Account,
    BudgetAnswers,
    BudgetBatch,
    BudgetNote,
    BudgetStart,
    ReservationState,
    Spending,
)
from domain.engine import BUDGET, QUERY_ACCOUNT, UPDATE_NOTE, UPDATE_TRANSACT
from domain.work import AuditEntry
from policy import budget, notices
from workflows import options
from workflows.ledger import MAX_UPDATES
from workflows.notices import tell

_AGAIN_S = 30.0  # after the record could not be reached


@workflow.defn(name=BUDGET)
class BudgetWorkflow:
    """One for the installation. State is one account; every rule is in policy/budget.py.

    A batch is looked up, decided and written under one lock: nothing ends or begins between the look and the promise.
    """

    @workflow.init
    def __init__(self, start: BudgetStart) -> None:
        self._account = start.account
        self._lock = asyncio.Lock()
        self._updates = 0

    @workflow.run
    async def run(self, start: BudgetStart) -> None:
        """Read the record back where nothing was handed over; then end promises in time, until history is full."""
        workflow.set_current_details("Money that is promised to sessions")
        if self._account is None:
            self._account = await workflow.execute_activity_method(
                BudgetRecordActivities.budget_history, **options.RECORD
            )
        while not self._full():
            await self._until_the_next_end()
        await workflow.wait_condition(workflow.all_handlers_finished)
        workflow.continue_as_new(BudgetStart(account=budget.trim(self._now(), workflow.now())))

    def _full(self) -> bool:
        return self._updates >= MAX_UPDATES or workflow.info().is_continue_as_new_suggested()

    async def _until_the_next_end(self) -> None:
        end = budget.next_end(self._now())
        left = None if end is None else max(timedelta(0), end - workflow.now())
        try:
            await workflow.wait_condition(
                lambda: self._full() or budget.next_end(self._now()) != end,
                timeout=left,
                timeout_summary="a reservation ends",
            )
        except TimeoutError:
            await self._end_overdue()

    async def _end_overdue(self) -> None:
        """Nobody said how these ended: a worker died between promise and start, or could not tell."""
        ended = tuple(r.id for r in budget.overdue(self._now(), workflow.now()))
        try:
            await self._transact(BudgetBatch(ended=ended))
        except ActivityError as e:
            workflow.logger.warning("the record cannot be reached; reservations go on counting: %s", e.cause)
            await workflow.sleep(timedelta(seconds=_AGAIN_S))

    @workflow.update(name=UPDATE_TRANSACT)
    async def transact(self, batch: BudgetBatch) -> BudgetAnswers:
        """Reserve and settle, write it down, then answer. Not written: nothing happened, and the caller asks again."""
        self._updates += 1
        await workflow.wait_condition(lambda: self._account is not None)
        try:
            return await self._transact(batch)
        except ActivityError as e:
            raise ApplicationError(
                "the record cannot be reached; no record, no session", type="RecordUnavailableError"
            ) from e

    async def _transact(self, batch: BudgetBatch) -> BudgetAnswers:
        async with self._lock:
            spending = await self._spending(batch)
            applied = budget.apply(self._now(), batch, spending, workflow.now())
            order = ReservationsOrder(reservations=applied.changed, audit=self._refusals(batch, applied))
            if order.reservations or order.audit:
                await workflow.execute_local_activity_method(
                    BudgetRecordActivities.write_reservations, order, **options.BUDGET_RECORD
                )
            news, self._account = budget.to_tell(applied.account, spending)
        for window in news:
            await tell(notices.budget_alert(window))
        return BudgetAnswers(answers=applied.answers)

    async def _spending(self, batch: BudgetBatch) -> Spending:
        open_ = (r.session for r in self._now().reservations if r.state == ReservationState.RESERVED)
        sessions = tuple(dict.fromkeys([*open_, *(r.session for r in batch.requests)]))
        return await workflow.execute_local_activity_method(
            BudgetRecordActivities.spending, SpendingOrder(sessions=sessions), **options.BUDGET_RECORD
        )

    def _refusals(self, batch: BudgetBatch, applied: budget.Applied) -> tuple[AuditEntry, ...]:
        now = workflow.now()
        return tuple(
            AuditEntry(
                key=f"budget/{r.id}/{now.isoformat()}",
                at=now,
                actor_kind="system",
                actor="budget",
                action="budget.refused",
                target=r.incident,
                detail={"session": r.session, "tier": r.tier, "reason": applied.answers[r.id].reason},
            )
            for r in batch.requests
            if not applied.answers[r.id].granted
        )

    def _now(self) -> Account:
        assert self._account is not None  # noqa: S101 - for the type checker
        return self._account

    @workflow.update(name=UPDATE_NOTE)
    async def note(self, note: BudgetNote) -> bool:
        """A person pauses all new sessions, or lets them begin again. False where it is so already."""
        self._updates += 1
        await workflow.wait_condition(lambda: self._account is not None)
        async with self._lock:
            if note.paused == (self._now().paused is not None):
                return False
            written = await workflow.execute_activity_method(
                BudgetRecordActivities.write_budget_note, NoteOrder(note=note, at=workflow.now()), **options.RECORD
            )
            self._account = budget.noted(self._now(), written)
        return True

    @note.validator
    def _valid_note(self, note: BudgetNote) -> None:
        if not note.reason.strip() or not note.actor.strip():
            raise ApplicationError("say who and why: both 'actor' and 'reason' are needed", non_retryable=True)

    @workflow.query(name=QUERY_ACCOUNT)
    def account(self) -> Account:
        """Promises as they are now."""
        return self._account or Account()
