"""What people read: short, complete, and told once."""

from datetime import timedelta

from domain.action import Risk
from domain.ids import IncidentId
from domain.incident import Approval
from domain.notice import Notice, NoticeKind
from policy import notices
from tests.support.builders import NOON, action, approval

INC = IncidentId("inc_1")


def all_notices() -> list[Notice]:
    return [
        notices.remediated(INC, "local/web", 2, (action(),), "green for 60 s", dry_run=False),
        notices.needs_person(INC, "local/web", "no tier could repair it", "http: no answer", 1),
        notices.limit_refused(INC, action(), "2 of 2 used", NOON),
        notices.approval_wanted(approval()),
        notices.recovered(INC, "local/web", "green for 60 s"),
        notices.reopened(INC, "local/web", "http: no answer", 1),
        notices.broken(INC, "local/web", "no credential", "1/auth"),
        notices.reported(INC, "Look finished", "all is well"),
        notices.outcome_unknown(INC, action(), "its node does not answer"),
    ]


def test_every_notice_has_a_key_of_its_own_a_title_and_a_link() -> None:
    told = all_notices()
    assert len({n.key for n in told}) == len(told)
    for notice in told:
        assert notice.key.startswith("inc_1/")
        assert notice.title
        assert notice.body
        assert notice.incident == INC
        assert notice.link.startswith("/")


def test_every_kind_that_an_incident_can_cause_has_its_words() -> None:
    others = {NoticeKind.NOTICED, NoticeKind.TEST}
    assert {n.kind for n in all_notices()} == set(NoticeKind) - others


def test_a_fix_is_told_with_what_was_done_and_the_proof() -> None:
    told = notices.remediated(INC, "local/web", 2, (action(),), "green for 60 s", dry_run=False)
    assert told.title == "local/web: remediated automatically"
    assert told.body == "Done: restart local/web. Proof: green for 60 s."
    assert notices.remediated(INC, "local/web", 3, (), "p", dry_run=False).title == "local/web: fixed by tier 3"
    assert notices.remediated(INC, "local/web", 2, (), "p", dry_run=True).title.startswith("[dry run] ")
    assert "no action" in notices.remediated(INC, "local/web", 2, (), "p", dry_run=False).body


def test_a_refusal_tells_the_next_slot_where_there_is_one() -> None:
    assert "Next slot: 2026-03-01T12:00+00:00." in notices.limit_refused(INC, action(), "used", NOON).body
    assert "Next slot" not in notices.limit_refused(INC, action(), "off", None).body
    assert notices.limit_refused(INC, action(), "off", None).body.endswith("Nothing was done.")


def test_a_question_tells_what_why_who_notices_and_until_when() -> None:
    asked: Approval = approval(expires_at=NOON + timedelta(hours=1))
    asked = asked.model_copy(update={"blast": asked.blast.model_copy(update={"sentence": "nothing depends on it."})})
    told = notices.approval_wanted(asked)
    assert told.title == "Approve restart of local/web?"
    for part in ("restart local/web", f"risk {Risk.LOW}", "it hangs", "nothing depends on it.", "2026-03-01T13:00"):
        assert part in told.body
    assert (told.link, told.approval) == ("/approvals/apr_1", "apr_1")
    unexplained = approval(action=action(reason=""))
    assert "no reason given" in notices.approval_wanted(unexplained).body


def test_an_effect_that_nobody_can_look_up_is_told_and_not_repeated() -> None:
    told = notices.outcome_unknown(INC, action(), "its node does not answer")
    assert told.title == "local/web: outcome of restart is not known"
    assert "restart local/web was begun, and its node does not answer. It will not be repeated." in told.body


def test_a_hand_over_without_evidence_points_to_the_page() -> None:
    assert "see the incident page" in notices.needs_person(INC, "local/web", "why", "", 1).body


def test_what_repeats_is_told_again_and_what_is_long_is_cut() -> None:
    first, second = (notices.needs_person(INC, "local/web", "why", "", n) for n in (1, 2))
    assert first.key != second.key
    assert notices.reopened(INC, "w", "e", 1).key != notices.reopened(INC, "w", "e", 2).key
    long = notices.reported(INC, "t" * 999, "b" * 9999)
    assert (len(long.title), len(long.body)) == (200, 3000)
