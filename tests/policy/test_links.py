"""What a link may still do, in words; whose channel is whose; what a message carries."""

from datetime import timedelta

import pytest

from domain.incident import Approval, ApprovalState
from domain.links import Addresses, ApprovalLink, LinkPurpose, Reader
from domain.people import Role
from policy import links, notices
from policy.links import LinkState
from policy.redaction import redactor
from tests.support.builders import NOON, approval

ANNA, BERT, EVE = (Reader(name="anna", role=Role.ADMIN), Reader(name="bert", role=Role.OPERATOR), Reader(name="eve", role=Role.VIEWER))  # fmt: skip
WHERE = Addresses(
    people_url="http://127.0.0.1:8080", public_url="https://home.example/ops/", channel_people={1: "anna"}
)


def link(asked: Approval, **changes: object) -> ApprovalLink:
    made = ApprovalLink(
        id="lnk_1", approval=asked.id, digest=asked.digest, person="anna", purpose=LinkPurpose.ANSWER,
        channel="ch1-ntfy", created_at=NOON, expires_at=asked.expires_at,
    )  # fmt: skip
    return made.model_copy(update=changes)


def asked(**changes: object) -> Approval:
    return approval(expires_at=NOON + timedelta(hours=1)).model_copy(update=changes)


def denied() -> Approval:
    return asked(state=ApprovalState.DENIED, decided_by="bert", decided_at=NOON)


@pytest.mark.parametrize(
    ("found", "of", "seconds", "visitor", "state"),
    [
        (link(asked()), asked(), 0, "", LinkState.OPEN),
        (link(asked()), asked(), 0, "anna", LinkState.OPEN),
        (link(asked()), asked(), 3599, "", LinkState.OPEN),
        (link(asked()), asked(), 3600, "", LinkState.EXPIRED),
        (link(asked(), expires_at=NOON), asked(), 0, "", LinkState.EXPIRED),
        (link(asked()), asked(state=ApprovalState.EXPIRED), 0, "", LinkState.EXPIRED),
        (None, None, 0, "", LinkState.UNKNOWN),
        (link(asked()), None, 0, "", LinkState.UNKNOWN),
        (link(asked()), asked(), 0, "bert", LinkState.FOREIGN),
        (link(asked(), digest="another"), asked(), 0, "", LinkState.REPLACED),
        (link(asked()), denied(), 0, "", LinkState.ANSWERED),
        (link(asked()), denied(), 9999, "", LinkState.ANSWERED),
        (link(asked(), used_at=NOON, used_how="one tap"), denied(), 0, "", LinkState.USED),
        (link(asked()), asked(state=ApprovalState.VOID, reason="it recovered"), 0, "", LinkState.ANSWERED),
    ],
)
def test_every_state_of_a_link_has_its_own_page_with_a_next_step(
    found: ApprovalLink | None, of: Approval | None, seconds: int, visitor: str, state: LinkState
):
    verdict = links.judge(found, of, NOON + timedelta(seconds=seconds), visitor)
    assert verdict.state == state
    assert all([verdict.head, verdict.text, verdict.next]) == (state != LinkState.OPEN)


def test_whoever_comes_late_reads_who_answered_and_when():
    assert "already denied by bert at 2026-03-01 12:00 UTC" in links.judge(link(asked()), denied(), NOON).text


@pytest.mark.parametrize(
    ("channel", "people", "readers", "name"),
    [
        ("ch1-ntfy", {1: "anna"}, (ANNA, BERT), "anna"),
        ("ch2-ntfy", {1: "anna"}, (ANNA, BERT), ""),  # nobody's: an answer could carry no honest name
        ("ch2-ntfy", {}, (ANNA,), "anna"),  # there is only one person
        ("ch1-ntfy", {1: "eve"}, (ANNA, EVE), ""),  # a viewer answers nothing
        ("ch1-ntfy", {1: "gone"}, (ANNA,), ""),  # disabled, or misspelt: nobody stands in
        ("ch1-ntfy", {}, (), ""),
        ("unreadable", {1: "anna"}, (ANNA, BERT), ""),
    ],
)
def test_a_channel_carries_links_only_where_it_is_one_persons(
    channel: str, people: dict[int, str], readers: tuple[Reader, ...], name: str
):
    assert links.reader_of(channel, people, readers) == name


def test_a_link_in_a_message_is_a_whole_address_below_the_path_of_the_dashboard():
    notice = notices.approval_wanted(asked())
    assert links.addressed(notice, WHERE).link == "https://home.example/ops/approvals/apr_1"
    local = WHERE.model_copy(update={"public_url": ""})
    assert links.addressed(notice, local).link == "http://127.0.0.1:8080/approvals/apr_1"
    elsewhere = notice.model_copy(update={"link": "https://else.example/"})
    assert links.addressed(elsewhere, WHERE).link == "https://else.example/"
    carried = links.carrying(notice, WHERE, "tal_page", "tal_deny")
    assert carried.link == "https://home.example/ops/a/tal_page"
    assert [(b.label, b.url, b.token) for b in carried.buttons] == [
        ("Approve", "https://home.example/ops/a/tal_page", ""),
        ("Deny", "https://home.example/ops/a", "tal_deny"),
    ]


def test_a_token_is_redacted_wherever_it_turns_up():
    token = "tal_" + "aB3-_" * 8 + "xyz"
    text = redactor()(f"GET /ops/a/{token} and token={token} and {token}")
    assert "aB3" not in text
