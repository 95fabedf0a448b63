"""The limit holds in every window, whatever the order of events."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.action import ActionKind, CooldownClass
from domain.ids import PermitId
from domain.ledger import CooldownRule, Journal, Permit, PermitAnswer, PermitRequest, PermitState
from policy import cooldown
from tests.support.builders import NOON, WEB

RULE = CooldownRule(limit=2, window_s=100.0)
TICK = timedelta(microseconds=1)


def ask(
    permit: str, rule: CooldownRule = RULE, cls: CooldownClass = CooldownClass.RESTART, expires_s: float = 30.0
) -> PermitRequest:
    return PermitRequest(
        id=PermitId(permit), service=WEB, kind=ActionKind.RESTART, cooldown_class=cls, rule=rule, holder="inc_1", expires_s=expires_s
    )  # fmt: skip


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def after(*times: float, rule: CooldownRule = RULE) -> Journal:
    journal = Journal(service=WEB)
    for n, t in enumerate(times):
        answer, journal = cooldown.decide(journal, ask(f"p{n}", rule), at(t))
        assert answer.granted
    return journal


# ---------------------------------------------------------------- any sequence of events


@dataclass
class Story:
    """A ledger, and beside it a list of what really counts, kept without any of its code."""

    rule: CooldownRule
    journal: Journal = field(default_factory=lambda: Journal(service=WEB))
    now: datetime = NOON
    answers: dict[str, PermitAnswer] = field(default_factory=dict[str, PermitAnswer])
    granted: dict[str, datetime] = field(default_factory=dict[str, datetime])
    released: set[str] = field(default_factory=set[str])
    resets: list[datetime] = field(default_factory=list[datetime])

    def step(self, wait: float, what: str, which: int) -> None:
        self.now += timedelta(seconds=wait)
        self.journal = cooldown.expire(self.journal, self.now)
        permit = f"p{which}"
        match what:
            case "acquire":
                self._acquire(permit)
            case "confirm":
                self.journal = cooldown.close(self.journal, permit, PermitState.CONFIRMED, "done")
            case "release":
                self._release(permit)
            case "reset":
                self.journal = self.journal.model_copy(update={"resets": (*self.journal.resets, self.now)})
                self.resets.append(self.now)
            case _:
                self.journal = cooldown.trim(self.journal, self.now, self.rule.window_s)

    def _acquire(self, permit: str) -> None:
        known = next((p for p in self.journal.permits if p.id == permit), None)
        free_at = cooldown.next_slot(self.journal, CooldownClass.RESTART, self.rule, self.now)
        answer, self.journal = cooldown.decide(self.journal, ask(permit, self.rule), self.now)
        if known is None:
            assert answer.granted == (free_at is None)
        if answer.granted and known is None:
            self.granted[permit] = self.now
            self.released.discard(permit)

    def _release(self, permit: str) -> None:
        before = next((p for p in self.journal.permits if p.id == permit), None)
        self.journal = cooldown.close(self.journal, permit, PermitState.RELEASED, "nothing was done")
        if before is not None and before.state in {PermitState.RESERVED, PermitState.EXPIRED}:
            self.released.add(permit)

    def worst_window(self) -> int:
        """The most that still counts in any window that ends with a grant and holds no reset."""
        times = sorted(t for p, t in self.granted.items() if p not in self.released)
        window = timedelta(seconds=self.rule.window_s)
        resets = self.resets
        return max(
            (sum(1 for t in times if end - window < t <= end and not any(t <= r <= end for r in resets)) for end in times),
            default=0,
        )  # fmt: skip


steps = st.lists(
    st.tuples(
        st.one_of(st.just(0.0), st.floats(0, 120), st.sampled_from([50.0, 99.999999, 100.0, 100.000001])),
        st.sampled_from(["acquire"] * 5 + ["confirm", "release", "reset", "trim"]),
        st.integers(0, 12),
    ),
    max_size=60,
)


@given(steps, st.integers(0, 4))
@settings(max_examples=300, deadline=None)
def test_no_window_ever_holds_more_permits_than_the_limit(events: list[tuple[float, str, int]], limit: int) -> None:
    story = Story(CooldownRule(limit=limit, window_s=100.0))
    for wait, what, which in events:
        story.step(wait, what, which)
        assert story.worst_window() <= limit


@given(st.integers(1, 60))
@settings(deadline=None)
def test_any_number_of_calls_in_the_very_instant_of_a_reset_stay_within_the_limit(calls: int) -> None:
    journal = after(0, 0).model_copy(update={"resets": (at(50),)})
    granted = 0
    for n in range(calls):
        answer, journal = cooldown.decide(journal, ask(f"new{n}"), at(50))
        granted += answer.granted
    assert granted == min(calls, 2)


@given(st.lists(st.floats(0, 300), max_size=12), st.integers(1, 4), st.floats(0, 400))
@settings(max_examples=300, deadline=None)
def test_the_next_slot_is_the_first_instant_at_which_a_permit_is_granted(
    times: list[float], limit: int, when: float
) -> None:
    rule = CooldownRule(limit=limit, window_s=100.0)
    permits = tuple(
        Permit(id=PermitId(f"p{n}"), service=WEB, kind=ActionKind.RESTART, cooldown_class=CooldownClass.RESTART,
               state=PermitState.CONFIRMED, granted_at=at(t), expires_at=at(t + 1))
        for n, t in enumerate(times)
    )  # fmt: skip
    journal, now = Journal(service=WEB, permits=permits), at(when)
    free = cooldown.next_slot(journal, CooldownClass.RESTART, rule, now)
    answer, _ = cooldown.decide(journal, ask("new", rule), now)
    if free is None:
        assert answer.granted
        return
    assert not answer.granted
    assert answer.next_slot_at == free
    assert answer.retry_after_s == (free - now).total_seconds()
    assert cooldown.decide(journal, ask("new", rule), free)[0].granted
    assert not cooldown.decide(journal, ask("new", rule), max(now, free - TICK))[0].granted


@given(
    st.floats(1, 300), st.floats(1, 300), st.lists(st.floats(0, 50), max_size=4), st.floats(50, 120)
)  # the waits of maintenance, snooze and permits in any order
@settings(max_examples=200, deadline=None)
def test_with_maintenance_and_snooze_the_next_slot_is_when_all_of_them_are_over(
    maintenance: float, snooze: float, times: list[float], when: float
) -> None:
    journal = Journal(service=WEB)
    for n, t in enumerate(sorted(times)):
        journal = cooldown.decide(journal, ask(f"p{n}"), at(t))[1]
    journal = journal.model_copy(update={"maintenance_until": at(maintenance), "snoozed_until": at(snooze)})
    answer, _ = cooldown.decide(journal, ask("new"), at(when))
    if answer.granted:
        assert max(maintenance, snooze) <= when
        return
    assert answer.next_slot_at is not None
    assert cooldown.decide(journal, ask("new"), answer.next_slot_at)[0].granted
    assert not cooldown.decide(journal, ask("new"), answer.next_slot_at - TICK)[0].granted


# ---------------------------------------------------------------- the rules one by one


def test_the_third_restart_is_refused_with_the_time_of_the_next_slot() -> None:
    answer, journal = cooldown.decide(after(0, 40), ask("third"), at(60))
    assert not answer.granted
    assert answer.reason == "2 of 2 restart permits of the last 0.0277778 h are used"
    assert (answer.used, answer.limit, answer.next_slot_at, answer.retry_after_s) == (2, 2, at(100), 40.0)
    assert len(journal.permits) == 2


def test_the_same_id_takes_one_slot_however_often_it_asks() -> None:
    journal = after(0)
    for t in (1, 31, 99):
        answer, journal = cooldown.decide(cooldown.expire(journal, at(t)), ask("p0"), at(t))
        assert answer.granted
        assert answer.permit is not None
        assert answer.permit.granted_at == at(0)
        assert answer.used == 1
    assert len(journal.permits) == 1


def test_a_permit_that_was_given_back_is_not_granted_again_under_its_id() -> None:
    journal = cooldown.close(after(0), "p0", PermitState.RELEASED, "nothing was done")
    answer, unchanged = cooldown.decide(journal, ask("p0"), at(1))
    assert not answer.granted
    assert "given back" in answer.reason
    assert unchanged == journal


def test_a_reservation_that_ran_out_still_counts() -> None:
    journal = cooldown.expire(after(0, 0), at(30))
    assert {p.state for p in journal.permits} == {PermitState.EXPIRED}
    assert not cooldown.decide(journal, ask("third"), at(31))[0].granted


def test_a_reservation_is_not_over_before_its_time() -> None:
    assert {p.state for p in cooldown.expire(after(0), at(30) - TICK).permits} == {PermitState.RESERVED}


def test_a_release_gives_the_slot_back_and_a_confirmation_keeps_it() -> None:
    journal = cooldown.close(after(0, 1), "p0", PermitState.CONFIRMED, "done")
    assert not cooldown.decide(journal, ask("third"), at(2))[0].granted
    journal = cooldown.close(journal, "p1", PermitState.RELEASED, "never begun")
    assert cooldown.decide(journal, ask("third"), at(2))[0].granted


def test_what_is_confirmed_cannot_be_given_back_and_what_is_given_back_cannot_be_confirmed() -> None:
    confirmed = cooldown.close(after(0), "p0", PermitState.CONFIRMED, "done")
    assert cooldown.close(confirmed, "p0", PermitState.RELEASED, "oh") == confirmed
    released = cooldown.close(after(0), "p0", PermitState.RELEASED, "no")
    assert cooldown.close(released, "p0", PermitState.CONFIRMED, "oh") == released


def test_closing_an_unknown_permit_changes_nothing() -> None:
    journal = after(0)
    assert cooldown.close(journal, "stranger", PermitState.RELEASED, "") == journal


def test_each_class_has_slots_of_its_own() -> None:
    answer, _ = cooldown.decide(after(0, 1), ask("other", cls=CooldownClass.REDEPLOY), at(2))
    assert answer.granted


def test_a_limit_of_zero_never_grants_and_promises_no_time() -> None:
    answer, _ = cooldown.decide(Journal(service=WEB), ask("p", CooldownRule(limit=0, window_s=100)), at(0))
    assert not answer.granted
    assert answer.reason == "restart is switched off for this service (limit 0)"
    assert answer.next_slot_at is None
    assert answer.retry_after_s is None


def test_maintenance_and_snooze_hold_everything_back_until_both_are_over() -> None:
    journal = Journal(
        service=WEB,
        maintenance_until=at(50),
        maintenance_reason="new disk",
        snoozed_until=at(70),
        snooze_reason="later",
    )
    answer, _ = cooldown.decide(journal, ask("p"), at(0))
    assert answer.reason == "maintenance: new disk; snoozed: later"
    assert answer.next_slot_at == at(70)
    assert cooldown.decide(journal, ask("p"), at(60))[0].reason == "snoozed: later"
    assert cooldown.decide(journal, ask("p"), at(70))[0].granted


def test_a_reset_frees_what_was_used_before_it() -> None:
    journal = after(0, 1).model_copy(update={"resets": (at(-5), at(2))})
    assert cooldown.next_slot(journal, CooldownClass.RESTART, RULE, at(3)) is None


def test_a_clock_that_went_back_frees_nothing() -> None:
    assert not cooldown.decide(after(50, 60), ask("third"), at(0))[0].granted


def test_trimming_keeps_what_a_window_can_still_reach() -> None:
    journal = after(0, 60).model_copy(update={"resets": (at(-1), at(59))})
    trimmed = cooldown.trim(journal, at(100), keep_s=100)
    assert [p.id for p in trimmed.permits] == ["p1"]
    assert trimmed.resets == (at(59),)


def test_a_window_beyond_every_calendar_is_refused_for_good_and_breaks_nothing() -> None:
    for window in (1e15, float("inf")):
        rule = CooldownRule(limit=1, window_s=window)
        journal = after(0, rule=rule)
        answer, _ = cooldown.decide(journal, ask("second", rule), at(1e9))
        assert not answer.granted
        assert answer.next_slot_at is None
        assert cooldown.trim(journal, at(0), window) == journal
    answer, _ = cooldown.decide(Journal(service=WEB), ask("long", expires_s=1e15), at(0))
    assert answer.granted


def test_slots_tell_for_each_class_what_is_used_and_when_the_next_is_free() -> None:
    rules = {CooldownClass.RESTART: RULE, CooldownClass.REMEDY: CooldownRule(limit=4, window_s=10)}
    restart, remedy = cooldown.slots(after(0, 40), rules, at(50))
    assert (restart.used, restart.limit, restart.window_s, restart.next_slot_at) == (2, 2, 100.0, at(100))
    assert (remedy.cooldown_class, remedy.used, remedy.next_slot_at) == (CooldownClass.REMEDY, 0, None)
