"""Spent and promised money together never go over a limit, whatever the order of events."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.budget import (
    Account,
    BudgetBatch,
    BudgetLimits,
    BudgetNote,
    BudgetRequest,
    ReservationState,
    Spending,
    WindowSpent,
)
from domain.ids import IncidentId, SessionId, reservation_id
from policy import budget
from tests.support.builders import NOON

LIMITS = BudgetLimits(day_usd=5.0, month_usd=12.0)


def wish(session: str, attempt: int = 1, bound: float = 1.0, before: float = 0.0) -> BudgetRequest:
    return BudgetRequest(
        id=reservation_id(session, attempt),
        session=SessionId(session),
        incident=IncidentId("inc_1"),
        tier=1,
        bound_usd=bound,
        before_usd=before,
        lasts_s=3600,
    )


def spending(
    day: float = 0.0, month: float | None = None, sessions: Mapping[str, float] | None = None, now: datetime = NOON
) -> Spending:
    windows = budget.windows(now, UTC)
    spent = (day, day if month is None else month)
    limits = (LIMITS.day_usd, LIMITS.month_usd)
    return Spending(
        limits=LIMITS,
        windows=tuple(
            WindowSpent(**w.model_dump(), usd=usd, limit_usd=limit)
            for w, usd, limit in zip(windows, spent, limits, strict=True)
        ),
        sessions={SessionId(s): usd for s, usd in (sessions or {}).items()},
    )


# ---------------------------------------------------------------- any sequence of events


@dataclass
class Story:
    """A budget, and beside it the money that really goes out, day by day, counted without any of its code."""

    account: Account = field(default_factory=Account)
    now: datetime = NOON
    costs: list[tuple[datetime, str, float]] = field(default_factory=list[tuple[datetime, str, float]])
    running: dict[str, tuple[int, datetime]] = field(default_factory=dict[str, tuple[int, datetime]])
    attempts: dict[str, int] = field(default_factory=dict[str, int])
    limits_broken: list[str] = field(default_factory=list[str])

    def step(self, hours: float, what: str, who: str, share: float) -> None:
        self.now += timedelta(hours=hours)
        self._time_bounds()
        match what:
            case "reserve":
                self._reserve(who)
            case "spend":
                self._spend(who, share)
            case "end":
                self.running.pop(who, None)
                self._transact(BudgetBatch(ended=(reservation_id(who, self.attempts.get(who, 1)),)))
            case "die":
                self.running.pop(who, None)  # and nobody tells the budget
            case _:
                self._transact(BudgetBatch(ended=tuple(r.id for r in budget.overdue(self.account, self.now))))

    def _time_bounds(self) -> None:
        """A process is ended by its runner at its time limit; a promise lasts a little longer."""
        self.running = {s: run for s, run in self.running.items() if self.now < run[1]}

    def _spent(self, session: str) -> float:
        return sum(usd for _, s, usd in self.costs if s == session)

    def _in(self, since: datetime) -> float:
        return sum(usd for at, _, usd in self.costs if at >= since)

    def _transact(self, batch: BudgetBatch) -> budget.Applied:
        day, month = budget.windows(self.now, UTC)
        known = {s: self._spent(s) for _, s, _ in self.costs}
        seen = spending(self._in(day.since), self._in(month.since), known, self.now)
        applied = budget.apply(self.account, batch, seen, self.now)
        self.account = applied.account
        return applied

    def _reserve(self, who: str) -> None:
        repeated = who in self.running
        attempt = self.attempts.get(who, 0) + (0 if repeated else 1)
        request = wish(who, attempt, before=0.0 if attempt == 1 else self._spent(who))
        granted = self._transact(BudgetBatch(requests=(request,))).answers[request.id].granted
        assert granted or not repeated, "what runs keeps its money"
        if granted and not repeated:
            self.attempts[who] = attempt
            self.running[who] = (attempt, self.now + timedelta(hours=1))

    def _spend(self, who: str, share: float) -> None:
        if who in self.running:  # the gateway lets a session spend up to its own bound
            self.costs.append((self.now, who, share * (1.0 - self._spent(who))))

    def check(self) -> None:
        day, month = budget.windows(self.now, UTC)
        for window, limit in ((day, LIMITS.day_usd), (month, LIMITS.month_usd)):
            assert limit is not None
            worst = self._in(window.since) + sum(1.0 - self._spent(s) for s in self.running)
            assert worst <= limit + 1e-6, f"{worst} of {limit} could be spent in the {window.kind}"


EVENTS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.1, 0.9, 5.0, 13.0]),
        st.sampled_from(["reserve", "reserve", "spend", "end", "die", "sweep"]),
        st.sampled_from([f"s{n}" for n in range(12)]),
        st.floats(0, 1),
    ),
    max_size=60,
)


@given(EVENTS)
def test_what_is_spent_and_what_may_still_be_spent_never_go_over_a_limit(events: list) -> None:
    story = Story()
    for event in events:
        story.step(*event)
        story.check()


@given(EVENTS)
def test_nothing_stays_promised_for_ever(events: list) -> None:
    story = Story()
    for event in events:
        story.step(*event)
    story.step(2, "sweep", "", 0)
    assert budget.promised(story.account, {}) == 0
    assert budget.next_end(story.account) is None


# ---------------------------------------------------------------- single rules


def granted(account: Account, request: BudgetRequest, seen: Spending) -> Account:
    answer, account = budget.decide(account, request, seen, NOON)
    assert answer.granted
    return account


def test_a_session_that_goes_on_needs_only_what_it_has_left() -> None:
    account = granted(Account(), wish("s", bound=4.0), spending())
    applied = budget.apply(
        account,
        BudgetBatch(requests=(wish("s", 2, bound=4.0, before=3.0),)),
        spending(4.0, sessions={"s": 3.0}),
        NOON,
    )
    assert applied.answers["s/2"].granted, "4.00 are spent, of which 3.00 by itself; it may need 1.00 more"
    assert [(r.id, r.state, r.cost_usd) for r in applied.changed] == [
        ("s/1", ReservationState.SETTLED, 3.0),
        ("s/2", ReservationState.RESERVED, 0.0),
    ]


def test_whoever_asks_again_keeps_its_money_for_as_long_as_its_process_may_last() -> None:
    account = granted(Account(), wish("s"), spending())
    late = NOON + timedelta(minutes=59)  # the engine of sessions was away
    applied = budget.apply(account, BudgetBatch(requests=(wish("s"),)), spending(now=late), late)
    assert applied.answers["s/1"].granted
    assert budget.next_end(applied.account) == late + timedelta(hours=1)
    assert [r.id for r in applied.changed] == ["s/1"]
    assert budget.promised(applied.account, {}) == 1.0, "and no more of it"


def test_what_runs_already_is_not_refused_by_a_pause_that_came_after_it() -> None:
    paused = budget.noted(Account(), BudgetNote(paused=True, reason="on holiday", actor="alice"))
    begun = wish("s").model_copy(update={"begun": True})
    applied = budget.apply(paused, BudgetBatch(requests=(begun, wish("t"))), spending(), NOON)
    assert {name: answer.granted for name, answer in applied.answers.items()} == {"s/1": True, "t/1": False}
    assert budget.promised(applied.account, {}) == 1.0


def test_what_a_running_session_spent_is_not_counted_twice() -> None:
    account = granted(Account(), wish("s", bound=4.0), spending())
    seen = spending(3.0, sessions={"s": 3.0})
    assert budget.promised(account, seen.sessions) == pytest.approx(1.0)
    granted(account, wish("t", bound=1.0), seen)
    assert "over the day's budget" in budget.refusal(account, wish("t", bound=1.1), seen)


def test_a_refusal_names_the_numbers_the_variable_and_the_time() -> None:
    text = budget.refusal(Account(), wish("s"), spending(4.5))
    assert "of 5.00 USD 4.50 are spent" in text
    assert "this one may need 1.00" in text
    assert "TIERCEL_BUDGET_DAY_USD" in text
    assert "2026-11-02T00:00+00:00" in text or "T00:00+00:00" in text


def test_of_two_limits_the_one_that_lasts_longer_is_named() -> None:
    assert "TIERCEL_BUDGET_MONTH_USD" in budget.refusal(Account(), wish("s"), spending(4.5, 11.5))


def test_a_session_that_could_never_begin_is_told_so() -> None:
    assert "could never begin" in budget.refusal(Account(), wish("s", bound=6.0), spending())


def test_a_limit_of_nothing_lets_no_session_begin() -> None:
    none = Spending(
        limits=BudgetLimits(day_usd=0),
        windows=(WindowSpent(**budget.windows(NOON, UTC)[0].model_dump(), usd=0.0, limit_usd=0.0),),
    )
    assert budget.refusal(Account(), wish("s", bound=0.01), none)


def test_without_limits_only_a_pause_stops_a_session() -> None:
    free = Spending(limits=BudgetLimits())
    assert not budget.refusal(Account(), wish("s", bound=1e9), free)
    paused = budget.noted(Account(), BudgetNote(paused=True, reason="on holiday", actor="alice"))
    assert "paused by alice: on holiday" in budget.refusal(paused, wish("s"), free)
    assert not budget.refusal(
        budget.noted(paused, BudgetNote(paused=False, reason="back", actor="bert")), wish("s"), free
    )


def test_each_window_is_told_of_once_and_the_next_one_again() -> None:
    told, account = budget.to_tell(Account(), spending(4.0, 4.0))
    assert [w.key for w in told] == [NOON.date().isoformat()]
    told, account = budget.to_tell(account, spending(4.9, 10.0))
    assert [w.kind for w in told] == ["month"]
    told, account = budget.to_tell(account, spending(5.0, 11.0))
    assert told == ()
    tomorrow = NOON + timedelta(days=1)
    told, account = budget.to_tell(account, spending(4.1, 11.0, now=tomorrow))
    assert [w.key for w in told] == [tomorrow.date().isoformat()]
    assert len(account.alerted) == 2, "yesterday is forgotten"


# ---------------------------------------------------------------- windows


BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("now", "day", "hours", "month"),
    [
        ("2026-03-29T12:00+02:00", "2026-03-29", 23, "2026-03"),  # the clock goes forward
        ("2026-10-25T12:00+01:00", "2026-10-25", 25, "2026-10"),  # and back
        ("2026-01-31T23:59:59+01:00", "2026-01-31", 24, "2026-01"),
        ("2026-02-01T00:00:00+01:00", "2026-02-01", 24, "2026-02"),
        ("2026-12-31T23:30:00+00:00", "2027-01-01", 24, "2027-01"),  # still last year in UTC
        ("2028-02-29T01:00:00+01:00", "2028-02-29", 24, "2028-02"),
    ],
)
def test_windows_are_the_owners_day_and_month(now: str, day: str, hours: int, month: str) -> None:
    today, this_month = budget.windows(datetime.fromisoformat(now).astimezone(UTC), BERLIN)
    assert (today.key, this_month.key) == (day, month)
    assert today.until - today.since == timedelta(hours=hours)
    assert this_month.since.astimezone(BERLIN).strftime("%d %H:%M") == "01 00:00"
    assert this_month.until.astimezone(BERLIN).strftime("%d %H:%M") == "01 00:00"


@given(
    st.floats(0, 20 * 365 * 24),
    st.sampled_from(["Europe/Berlin", "Asia/Kathmandu", "Pacific/Apia", "America/Santiago", "UTC"]),
)
def test_every_moment_lies_in_its_windows_and_they_follow_each_other(hours: float, zone: str) -> None:
    moment = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(hours=hours)
    for window in budget.windows(moment, ZoneInfo(zone)):
        assert window.since <= moment < window.until
        after = next(w for w in budget.windows(window.until, ZoneInfo(zone)) if w.kind == window.kind)
        assert after.since == window.until
