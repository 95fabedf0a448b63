"""What a channel shows: bounded, readable, calling nobody, with the link always whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.notify.addresses import addresses
from adapters.notify.message import SEVERITY, body_for, title_for
from domain.notice import Notice, NoticeKind

LINK = "http://127.0.0.1:8080/incidents/inc_1"


def a_notice(body: str = "It hangs.", title: str = "app does not answer", link: str = LINK) -> Notice:
    return Notice(key="k", kind=NoticeKind.NOTICED, title=title, body=body, link=link)


@given(st.text(max_size=5000), st.integers(100, 4096))
def test_the_body_fits_and_the_link_is_whole(body: str, limit: int) -> None:
    shown = body_for(a_notice(body), limit)
    assert len(shown) <= limit
    assert shown.endswith(LINK)


def test_a_cut_body_says_that_it_was_cut() -> None:
    shown = body_for(a_notice("x" * 1000), 200)
    assert shown.endswith(f"x\n[...]\n\n{LINK}")
    assert len(shown) == 200


def test_a_notice_without_words_shows_its_title() -> None:
    assert body_for(a_notice("", link=""), 100) == "app does not answer"


def test_the_title_is_one_line_within_its_limit() -> None:
    assert title_for(a_notice(title="a\nb\tc"), 250) == "a b c"
    assert title_for(a_notice(title="x" * 300), 250) == "x" * 249 + "…"
    assert title_for(a_notice(title="x" * 300), 0) == "x" * 300


def test_a_quoted_log_can_neither_call_people_nor_move_a_terminal() -> None:
    shown = body_for(a_notice("@everyone <!channel> <@U123> mail a@example.org \x1b[2J nul \0 \ud800"), 1000)
    assert "@everyone" not in shown
    assert "<!" not in shown
    assert "<@" not in shown
    assert "a@example.org" in shown
    assert "\x1b" not in shown
    assert "\0" not in shown
    shown.encode()


def test_every_kind_of_notice_has_a_severity() -> None:
    assert set(SEVERITY) == set(NoticeKind)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("  \n , \n", []),
        ("json://localhost", ["ch1-json"]),
        ("json://localhost, xml://localhost\nntfy://topic", ["ch1-json", "ch2-xml", "ch3-ntfy"]),
        ("json://a\r\n# a remark\r\nxml://b", ["ch1-json", "ch2-xml"]),
        ("mailto://u:p@example.org?to=a@x.org,b@x.org,gotify://h/t", ["ch1-mailto", "ch2-gotify"]),
        ("not an address", ["ch1-unreadable"]),
        ("JSON://Host", ["ch1-json"]),
    ],
)
def test_addresses_are_taken_apart_at_commas_and_lines(text: str, expected: list[str]) -> None:
    assert [address.channel for address in addresses(text)] == expected


def test_a_comma_inside_an_address_stays() -> None:
    assert addresses("mailto://h?to=a@x.org,b@x.org, json://h")[0].url == "mailto://h?to=a@x.org,b@x.org"


def test_an_address_never_shows_itself() -> None:
    assert "hunter2" not in repr(addresses("mailto://ada:hunter2@example.org"))
