"""One exact action, one answer, one winner."""

from datetime import timedelta

import pytest

from domain.ids import ApprovalId
from domain.incident import ApprovalState, Decision
from policy.approvals import decide, expire, void
from tests.support.builders import NOON, approval

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
        False, ApprovalState.DENIED, "anna", "already denied by anna",
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
