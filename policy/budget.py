"""Budgets of a day and a month: whether one more session may begin.

What is spent is what the gateway counted. What runs counts with all that it may still spend. Both together never go
over a limit when a session begins, so they never do later either: the gateway stops a session at its own bound.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from domain.base import Value
from domain.budget import (
    Account,
    BudgetAnswer,
    BudgetBatch,
    BudgetNote,
    BudgetRequest,
    Reservation,
    ReservationState,
    Spending,
    Window,
    WindowKind,
    WindowSpent,
)
from domain.ids import SessionId

KEEP = timedelta(days=1)  # closed reservations are remembered so long: a repeated question is known
_CENT = 1e-9  # sums of floats that are equal on paper


def windows(now: datetime, zone: tzinfo) -> tuple[Window, Window]:
    """The day and the month that `now` lies in, as the owner's zone has them. Days are 23 to 25 hours long."""
    today = now.astimezone(zone).date()
    first = today.replace(day=1)
    return (
        _window(WindowKind.DAY, today.isoformat(), today, today + timedelta(days=1), zone),
        _window(WindowKind.MONTH, f"{first:%Y-%m}", first, (first + timedelta(days=31)).replace(day=1), zone),
    )


def _window(kind: WindowKind, key: str, first: date, after: date, zone: tzinfo) -> Window:
    begin, end = (datetime.combine(d, time(), zone).astimezone(UTC) for d in (first, after))
    return Window(kind=kind, key=key, since=begin, until=end)


def left_of(reservation: Reservation, sessions: Mapping[SessionId, float]) -> float:
    """What a process may still spend, in USD. What it spent is counted already, in the windows."""
    if reservation.state != ReservationState.RESERVED:
        return 0.0
    spent = sessions.get(reservation.session, reservation.before_usd) - reservation.before_usd
    return min(reservation.usd, max(0.0, reservation.usd - spent))


def promised(account: Account, sessions: Mapping[SessionId, float]) -> float:
    """What all that runs may still spend, in USD."""
    return sum(left_of(r, sessions) for r in account.reservations)


class Applied(Value):
    """What a batch came to. `changed` must be in the record before anybody hears of `answers`."""

    account: Account
    answers: dict[str, BudgetAnswer] = {}
    changed: tuple[Reservation, ...] = ()


def apply(account: Account, batch: BudgetBatch, spending: Spending, now: datetime) -> Applied:
    """First what has ended, then the requests in their order. Asking twice is asking once."""
    ended = set(batch.ended)
    for request in batch.requests:  # a session's next process begins after the one before it has ended
        ended.update(r.id for r in account.reservations if r.session == request.session and r.id != request.id)
    after = close(account, ended, spending.sessions)
    answers: dict[str, BudgetAnswer] = {}
    for request in batch.requests:
        answers[request.id], after = decide(after, request, spending, now)
    before = {r.id: r for r in account.reservations}
    changed = tuple(r for r in after.reservations if before.get(r.id) != r)
    return Applied(account=after, answers=answers, changed=changed)


def decide(account: Account, request: BudgetRequest, spending: Spending, now: datetime) -> tuple[BudgetAnswer, Account]:
    """Answer one request. A process that was begun under its reservation may be asked for again."""
    known = next((r for r in account.reservations if r.id == request.id), None)
    if known is not None and known.state != ReservationState.RELEASED:
        return BudgetAnswer(granted=True), _longer(account, known, now + timedelta(seconds=request.lasts_s))
    reason = "" if request.begun else refusal(account, request, spending)
    if reason:
        return BudgetAnswer(granted=False, reason=reason), account
    made = Reservation(
        id=request.id,
        session=request.session,
        incident=request.incident,
        tier=request.tier,
        usd=_wanted(request),
        before_usd=request.before_usd,
        at=now,
        ends_at=now + timedelta(seconds=request.lasts_s),
    )
    others = tuple(r for r in account.reservations if r.id != request.id)
    return BudgetAnswer(granted=True), account.model_copy(update={"reservations": (*others, made)})


def _longer(account: Account, known: Reservation, ends_at: datetime) -> Account:
    """Whoever asks again may begin only now: its promise must last as long as the process that it is for."""
    if known.state != ReservationState.RESERVED or ends_at <= known.ends_at:
        return account
    longer = known.model_copy(update={"ends_at": ends_at})
    kept = tuple(longer if r.id == known.id else r for r in account.reservations)
    return account.model_copy(update={"reservations": kept})


def _wanted(request: BudgetRequest) -> float:
    return max(0.0, request.bound_usd - request.before_usd)


def refusal(account: Account, request: BudgetRequest, spending: Spending) -> str:
    """Why a session may not begin, with the remedy; "" where it may."""
    if account.paused:
        return f"model sessions are paused by {account.paused.actor}: {account.paused.reason}. {_RESUME}"
    held = promised(account, spending.sessions)
    wanted = _wanted(request)
    over = [w for w in spending.windows if w.limit_usd is not None and w.usd + held + wanted > w.limit_usd + _CENT]
    if not over:
        return ""
    last = max(over, key=lambda w: w.until)
    return f"over the {_sentence(last, held, wanted)} {_remedy(last, wanted, spending.limits.timezone)}"


_RESUME = "Resume them with `tiercel budget resume` or on the page Budgets"


def _sentence(window: WindowSpent, held: float, wanted: float) -> str:
    return (
        f"{window.kind}'s budget: of {window.limit_usd:.2f} USD {window.usd:.2f} are spent, {held:.2f} are reserved by"
        f" sessions that run, and this one may need {wanted:.2f}."
    )


def _remedy(window: WindowSpent, wanted: float, zone: str) -> str:
    variable = f"TIERCEL_BUDGET_{window.kind.upper()}_USD"
    if wanted > (window.limit_usd or 0.0) + _CENT:
        return f"It could never begin: raise {variable}, or lower the budget of its tier, and restart"
    when = f"until the {window.kind} ends ({window.until.isoformat(timespec='minutes')}, zone {zone})"
    return f"Raise {variable} and restart, or wait {when}. Then use Run now"


def close(account: Account, ended: set[str], sessions: Mapping[SessionId, float]) -> Account:
    """The processes of these reservations have ended: what they did not spend is free again."""

    def closed(r: Reservation) -> Reservation:
        if r.id not in ended or r.state != ReservationState.RESERVED:
            return r
        cost = max(0.0, sessions.get(r.session, r.before_usd) - r.before_usd)
        state = ReservationState.SETTLED if cost else ReservationState.RELEASED
        return r.model_copy(update={"state": state, "cost_usd": cost})

    return account.model_copy(update={"reservations": tuple(closed(r) for r in account.reservations)})


def next_end(account: Account) -> datetime | None:
    """When the first open reservation runs out; None where none is open."""
    return min((r.ends_at for r in account.reservations if r.state == ReservationState.RESERVED), default=None)


def overdue(account: Account, now: datetime) -> tuple[Reservation, ...]:
    """Open reservations whose process cannot run any more: nobody said how it ended."""
    return tuple(r for r in account.reservations if r.state == ReservationState.RESERVED and r.ends_at <= now)


def to_tell(account: Account, spending: Spending) -> tuple[tuple[WindowSpent, ...], Account]:
    """The windows whose spending has reached the alert line and that nobody was told of, and the account after."""
    share = spending.limits.alert_percent / 100
    reached = tuple(
        w
        for w in spending.windows
        if w.limit_usd is not None
        and w.usd > 0
        and w.usd + _CENT >= w.limit_usd * share
        and _name(w) not in account.alerted
    )
    current = {_name(w) for w in spending.windows}
    kept = tuple(name for name in account.alerted if name in current)
    return reached, account.model_copy(update={"alerted": (*kept, *map(_name, reached))})


def _name(window: Window) -> str:
    return f"{window.kind}/{window.key}"


def noted(account: Account, note: BudgetNote) -> Account:
    """A person paused or resumed."""
    return account.model_copy(update={"note": note})


def trim(account: Account, now: datetime) -> Account:
    """Forget what ended long ago, so that the entity's state stays small."""
    kept = tuple(r for r in account.reservations if r.state == ReservationState.RESERVED or r.ends_at > now - KEEP)
    return account.model_copy(update={"reservations": kept})
