"""The budget's own record, and the way for a session to reach the budget."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from datetime import datetime
from zoneinfo import ZoneInfo

from temporalio import activity

from activities.errors import mapped
from domain.base import Value
from domain.budget import (
    Account,
    BudgetLimits,
    BudgetNote,
    BudgetRequest,
    Reservation,
    Spending,
    Window,
    WindowSpent,
)
from domain.errors import FatalError, TransientError
from domain.ids import SessionId, reservation_id
from domain.ports import Budget, BudgetRecords, Clock, IncidentRecords, ModelRecords
from domain.session import SessionOrder
from domain.work import AuditEntry
from policy import budget

log = logging.getLogger(__name__)

SHOWN_AFTER_S = 2.0  # a session that begins needs the processors itself
ENDS_AFTER_S = 300.0  # beyond a process's own time limit: the way to its start, and its end


class SpendingOrder(Value):
    """What to look up: the windows of now, and what these sessions cost."""

    sessions: tuple[SessionId, ...] = ()


class ReservationsOrder(Value):
    """Reservations as they are now, with what the audit says of them."""

    reservations: tuple[Reservation, ...] = ()
    audit: tuple[AuditEntry, ...] = ()


class NoteOrder(Value):
    """A pause or its end, and when it was said: a repeated write is the same note."""

    note: BudgetNote
    at: datetime


class BudgetRecordActivities:
    """What the budget reads and writes. The limits are those that this worker was started with."""

    def __init__(self, records: BudgetRecords, audit: IncidentRecords, limits: BudgetLimits, clock: Clock) -> None:
        self._records = records
        self._audit = audit
        self._limits = limits
        self._clock = clock

    @activity.defn
    @mapped
    async def budget_history(self) -> Account:
        """Promises and the newest note, for a budget that starts without a past."""
        reservations = await self._records.reservations(self._clock.now() - budget.KEEP)
        return Account(reservations=reservations, note=await self._records.budget_note())

    @activity.defn
    @mapped
    async def spending(self, order: SpendingOrder) -> Spending:
        """What was spent in the windows of now. Without any limit only the sessions are looked up."""
        limits = self._limits
        day, month = budget.windows(self._clock.now(), ZoneInfo(limits.timezone))
        limited = ((day, limits.day_usd), (month, limits.month_usd))
        # The sessions first: what one spends between the two looks then counts twice, and not in neither.
        sessions = await self._records.spent_by(order.sessions)
        windows = tuple([await self._spent(w, limit) for w, limit in limited if limit is not None])
        return Spending(limits=limits, windows=windows, sessions=sessions)

    async def _spent(self, window: Window, limit: float) -> WindowSpent:
        usd = await self._records.spent_since(window.since)
        return WindowSpent(**window.model_dump(), usd=usd, limit_usd=limit)

    @activity.defn
    @mapped
    async def write_reservations(self, order: ReservationsOrder) -> None:
        """No session begins before its row is there."""
        if order.reservations:
            await self._records.save_reservations(order.reservations)
        for line in order.audit:
            await self._audit.audit(
                line.key, line.at, line.actor_kind, line.actor, line.action, line.target, line.detail
            )

    @activity.defn
    @mapped
    async def write_budget_note(self, order: NoteOrder) -> BudgetNote:
        """A pause or its end, with who and why. Answers the note with its time."""
        note = order.note
        await self._records.save_budget_note(note, order.at)
        await self._audit.audit(
            f"budget/{order.at.isoformat()}",
            order.at,
            note.actor_kind,
            note.actor,
            "budget.paused" if note.paused else "budget.resumed",
            "",
            {"reason": note.reason},
        )
        return note.model_copy(update={"at": order.at})


class _Later:
    """Something that is done in a while, unless it is not needed any more by then."""

    def __init__(self, work: Callable[[], Coroutine[None, None, None]], after_s: float) -> None:
        self._work = work
        self._task: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(after_s, self._begin)

    def _begin(self) -> None:
        self._task = asyncio.create_task(self._work())

    async def begun(self) -> bool:
        """Whether it was done; if it was begun, it is now. What was not begun will not be."""
        self._timer.cancel()
        if self._task is not None:
            await self._task
        return self._task is not None


class SessionMoney:
    """Takes the money of one process before it begins, and gives back what is left when it has ended."""

    def __init__(
        self,
        ask: Budget,
        calls: ModelRecords,
        records: BudgetRecords,
        *,
        limited: bool,
        shown_after_s: float = SHOWN_AFTER_S,
    ) -> None:
        """`limited`: whether there is a limit of a day or a month."""
        self._ask = ask
        self._calls = calls
        self._records = records
        self._limited = limited
        self._shown_after_s = shown_after_s
        self._promises: dict[str, _Later] = {}

    async def reserve(self, order: SessionOrder) -> str:
        """Why it may not begin, or "". Asking again for the same process is the same reservation.

        Without a limit only a pause can refuse, and that is in the record before whoever paused hears of it. So nobody
        waits then: the promise is only made to be shown.
        """
        # The money of a first process is its whole budget; looking would only cost time.
        before = await self._calls.spent(order.session) if order.attempt > 1 else 0.0
        request = BudgetRequest(
            id=reservation_id(order.session, order.attempt),
            session=order.session,
            incident=order.incident,
            tier=order.tier.tier,
            bound_usd=order.tier.budget_usd,
            before_usd=before,
            lasts_s=order.tier.timeout_s + ENDS_AFTER_S,
        )
        if not self._limited and not await self._paused():
            self._promises[request.id] = _Later(lambda: self._promise(request), self._shown_after_s)
            return ""
        answer = await self._ask.reserve(request)
        return "" if answer.granted else answer.reason

    async def _paused(self) -> bool:
        note = await self._records.budget_note()
        return note is not None and note.paused

    async def _promise(self, request: BudgetRequest) -> None:
        try:
            await self._ask.reserve(request.model_copy(update={"begun": True}))
        except (TransientError, FatalError) as e:
            log.warning("a reservation is not shown: %s", e, extra={"session": request.session})

    async def settle(self, session: SessionId, attempt: int) -> None:
        """It has ended. Not told in time: the budget looks it up itself when the reservation runs out."""
        reservation = reservation_id(session, attempt)
        promise = self._promises.pop(reservation, None)
        if promise is not None and not await promise.begun():
            return
        try:
            await self._ask.settle(reservation)
        except TransientError as e:
            activity.logger.warning("a reservation could not be settled and ends by itself: %s", e)
