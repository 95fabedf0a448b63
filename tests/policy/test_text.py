"""Text that can leave the process."""

from hypothesis import given
from hypothesis import strategies as st

from policy.text import REPLACEMENT, sendable


@given(st.text())
def test_any_text_can_be_sent_and_what_could_be_sent_before_stays_as_it_is(text: str) -> None:
    sent = sendable(text)
    sent.encode()  # raises where it cannot be sent
    assert sendable(sent) == sent
    assert len(sent) == len(text)
    assert all(b in {a, REPLACEMENT} for a, b in zip(text, sent, strict=True))


def test_half_a_letter_is_shown_as_one_that_is_missing() -> None:
    half = b"a\xff".decode("utf-8", "surrogateescape")
    assert sendable(half) == "a\ufffd"
    assert sendable("gr\u00fcn \U0001f985") == "gr\u00fcn \U0001f985"
