"""One exact action, one answer, one winner."""

from datetime import timedelta

import pytest

from domain.action import ActionKind, BlastRadius, Risk
from domain.ids import ApprovalId, ServiceId
from domain.incident import ApprovalState, Change, Decision
from policy.approvals import already, decide, expire, instead, is_harmful, void
from tests.support.builders import NOON, action, approval

PENDING = approval()
LATER = NOON + timedelta(minutes=5)
OVER = PENDING.expires_at


def answer(*, approve: bool = True, actor: str = "anna", digest: str = PENDING.digest) -> Decision:
    return Decision(approval=ApprovalId("apr_1"), digest=digest, approve=approve, actor=actor, reason="looked at it")


@pytest.mark.parametrize(("approve", "state"), [(True, ApprovalState.APPROVED), (False, ApprovalState.DENIED)])
def test_an_answer_is_kept_with_who_when_and_why(approve: bool, state: ApprovalState) -> None:
    said, decided = decide(PENDING, answer(approve=approve), LATER)
    assert (said.accepted, said.state, said.decided_by, said.message) == (True, state, "anna", f"{state} by anna")
    assert (decided.state, decided.decided_at, decided.decided_by, decided.reason) == (
        state, LATER, "anna", "looked at it",
    )  # fmt: skip


def test_the_first_answer_wins_and_the_second_is_told_whose_it_was() -> None:
    _, denied = decide(PENDING, answer(approve=False), LATER)
    said, unchanged = decide(denied, answer(actor="bert"), LATER)
    assert (said.accepted, said.state, said.decided_by, said.message) == (
        False, ApprovalState.DENIED, "anna", "already denied by anna at 2026-03-01 12:05 UTC",
    )  # fmt: skip
    assert unchanged == denied


def test_what_was_shown_is_what_is_approved() -> None:
    said, unchanged = decide(PENDING, answer(digest="another"), LATER)
    assert (said.accepted, said.state) == (False, ApprovalState.PENDING)
    assert "reload the page" in said.message
    assert unchanged == PENDING
    assert decide(unchanged, answer(), LATER)[0].accepted, "a wrong digest must not use the approval up"


def test_time_that_ran_out_denies() -> None:
    assert decide(PENDING, answer(), OVER - timedelta(microseconds=1))[0].accepted
    said, expired = decide(PENDING, answer(), OVER)
    assert (said.accepted, said.state) == (False, ApprovalState.EXPIRED)
    assert (expired.state, expired.decided_by, expired.reason) == (
        ApprovalState.EXPIRED, "", "nobody answered in time",
    )  # fmt: skip
    assert decide(expired, answer(), OVER)[0].message == "already expired"


def test_only_what_is_pending_and_over_expires() -> None:
    assert expire(PENDING, OVER - timedelta(microseconds=1)) == PENDING
    assert expire(PENDING, OVER).state == ApprovalState.EXPIRED
    approved = approval(state=ApprovalState.APPROVED)
    assert expire(approved, OVER) == approved


def test_only_what_is_pending_can_be_withdrawn() -> None:
    gone = void(PENDING, LATER, "the service is healthy again")
    assert (gone.state, gone.decided_at, gone.reason) == (ApprovalState.VOID, LATER, "the service is healthy again")
    assert not decide(gone, answer(), LATER)[0].accepted
    denied = approval(state=ApprovalState.DENIED)
    assert void(denied, LATER, "late") == denied


# ---------------------------------------------------------------- change

OTHER = action(target=ServiceId("local/db"), params={"stop_wait_s": 30})


def test_a_change_is_the_approval_of_another_exact_action() -> None:
    said, decided = decide(PENDING, answer(), LATER, OTHER)
    assert (said.accepted, said.state) == (True, ApprovalState.CHANGED)
    assert said.message == "changed by anna to: restart local/db stop_wait_s=30"
    assert (decided.state, decided.changed_to, decided.digest) == (ApprovalState.CHANGED, OTHER, PENDING.digest)
    assert decided.changed_to is not None
    assert decided.changed_to.digest != PENDING.digest
    assert already(decided) == "already changed by anna at 2026-03-01 12:05 UTC, to: restart local/db stop_wait_s=30"


def test_a_change_to_the_same_action_changes_nothing_and_uses_nothing_up() -> None:
    said, unchanged = decide(PENDING, answer(), LATER, action(reason="other words are no other action"))
    assert (said.accepted, unchanged) == (False, PENDING)
    assert "approve it, or change something" in said.message


def test_a_change_comes_too_late_like_every_answer() -> None:
    _, denied = decide(PENDING, answer(approve=False), LATER)
    assert decide(denied, answer(actor="bert"), LATER, OTHER)[1] == denied
    assert decide(PENDING, answer(), OVER, OTHER)[1].state == ApprovalState.EXPIRED
    assert not decide(PENDING, answer(digest="another"), LATER, OTHER)[0].accepted


def test_a_changed_wish_has_an_id_of_its_own_and_says_who_changed_it() -> None:
    wish = instead(PENDING, Change(kind=ActionKind.START, target="db"), "anna")
    assert (wish.session, wish.kind, wish.target) == (PENDING.action.session, "start", "db")
    assert wish.tool_use_id != PENDING.action.tool_use_id
    assert wish.reason == "changed by anna from restart local/web"


def test_how_somebody_answered_is_kept() -> None:
    _, decided = decide(PENDING, answer().model_copy(update={"how": "one tap"}), LATER)
    assert decided.decided_how == "one tap"


@pytest.mark.parametrize(("risk", "data", "harmful"), [
    (Risk.LOW, False, False), (Risk.LOW, True, True), (Risk.MEDIUM, False, True), (Risk.HIGH, False, True),
])  # fmt: skip
def test_what_may_do_harm_is_more_than_low_risk_or_puts_data_at_risk(risk: Risk, data: bool, harmful: bool) -> None:
    asked = action().model_copy(update={"risk": risk})
    assert is_harmful(asked, BlastRadius(data_at_risk=data)) is harmful
