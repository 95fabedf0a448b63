"""Formats, terminal colours and log rows: pure functions."""

import json
from datetime import UTC, datetime, timedelta

from domain.session import OutputLine
from web import ansi, formats, logview
from web.live import cursor
from web.live.cursor import LogKey

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def said(text: str) -> str:
    return json.dumps({"type": "assistant", "message": {"content": [{"type": "text", "text": text}]}})


def a_row(text: str, stream: str = "out") -> logview.LogRow:
    return logview.row(OutputLine.model_validate({"seq": 1, "at": NOON, "stream": stream, "text": text}))


def test_times_read_as_people_say_them():
    assert formats.relative(NOON - timedelta(seconds=3), NOON) == "just now"
    assert formats.relative(NOON - timedelta(minutes=5, seconds=40), NOON) == "5 min ago"
    assert formats.relative(NOON + timedelta(hours=2, minutes=13), NOON) == "in 2 h 13 min"
    assert formats.relative(NOON - timedelta(days=3, hours=4), NOON) == "3 d 4 h ago"
    assert formats.duration(86_400) == "1 d"


def test_a_time_element_carries_the_instant_and_the_zone():
    html = str(formats.time_element(NOON, NOON + timedelta(minutes=1), formats.zone_of("Europe/Berlin")))
    assert 'datetime="2026-11-21T12:00:00+00:00"' in html
    assert 'title="2026-11-21 13:00:00 CET"' in html
    assert ">1 min ago<" in html


def test_every_badge_says_its_state_in_words_and_shape():
    for state in formats.TONES:
        html = str(formats.badge(state))
        assert formats.words(state) in html
        assert 'aria-hidden="true"' in html


def test_colours_become_classes_and_every_other_escape_disappears():
    html = str(ansi.to_html("\x1b[31mred\x1b[0m \x1b[1;38;5;200mbold\x1b[22m \x1b]0;title\x07\x1b[2Jdone"))
    assert html == '<span class="a-red">red</span> <span class="a-bold">bold</span> done'


def test_direction_overrides_and_controls_are_written_out():
    html = str(ansi.to_html("invoice\u202egnp.exe\x00\x08"))
    assert html == "invoice[U+202E]gnp.exe\u2400\u2408"


def test_hostile_text_is_escaped_in_every_kind_of_line():
    bad = "<script>alert(1)</script><hx-partial hx-target=body>"
    lines = [
        bad,
        said(bad),
        json.dumps(
            {
                "type": "assistant",
                "message": {"content": [{"type": "tool_use", "name": bad, "input": {"a": bad, "b": 1}}]},
            }
        ),
        json.dumps(
            {
                "type": "user",
                "message": {"content": [{"type": "tool_result", "content": [{"type": "text", "text": bad}]}]},
            }
        ),
        json.dumps({"type": "result", "subtype": "success", "structured_output": {"summary": bad}}),
        json.dumps({"type": bad, "x": bad}),
        '{"type": ["' + bad + '"]}',
    ]
    for text in lines:
        row = a_row(text)
        assert "<script" not in row.html
        assert "<hx-" not in row.html
        assert "&lt;script&gt;" in row.html


def test_a_megabyte_line_is_cut_and_says_by_how_much():
    row = a_row(said("x" * 1_000_000))
    assert len(row.html) == logview.SHOWN
    assert row.cut == 1_000_000 - logview.SHOWN


def test_the_cli_speaks_in_words():
    assert a_row(said("hello")).label == "Claude"
    call = json.dumps(
        {
            "type": "assistant",
            "message": {
                "content": [{"type": "tool_use", "name": "mcp__tiercel__restart", "input": {"service": "blog"}}]
            },
        }
    )
    assert (a_row(call).kind, a_row(call).label, a_row(call).html) == ("tool", "tiercel restart", "blog")
    refused = json.dumps(
        {"type": "user", "message": {"content": [{"type": "tool_result", "content": "2 of 2 used", "is_error": True}]}}
    )
    assert a_row(refused).kind == "error"
    assert a_row("plain words", "err").label == "stderr"
    assert a_row('{"type": "assistant", "message": {"content": 7}}').kind == "raw"


def test_a_cursor_survives_its_text_form_and_rubbish_is_left_out():
    places = {LogKey("5f0c6a4e-0000-5000-8000-000000000001", 1): 41, LogKey("b", 2): 7}
    assert cursor.parse(cursor.write(places)) == places
    assert cursor.parse("x,,:1:2,a:b:c,a:1:-3,a:1:5;drop") == {}
