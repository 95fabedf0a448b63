"""Bytes to lines, lines to events, events to what people read."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude.display import WIDTH, display
from claude.events import (
    ApiRetry,
    AssistantText,
    Garbage,
    Init,
    PermissionDenied,
    Result,
    Thinking,
    ToolResult,
    ToolUse,
    Unknown,
)
from claude.stream import LineSplitter, StreamReader, parse


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=8))
def test_lines_are_the_same_however_the_bytes_arrive(data: bytes, cuts: list[int]):
    marks = sorted({0, len(data), *(c for c in cuts if c < len(data))})
    splitter = LineSplitter()
    lines = [line for a, b in pairwise(marks) for line in splitter.feed(data[a:b])]
    whole = LineSplitter()
    assert (lines, splitter.rest()) == (whole.feed(data), whole.rest())


def test_a_letter_that_is_cut_in_two_stays_whole():
    splitter = LineSplitter()
    assert splitter.feed("grö".encode()[:-1]) == []
    assert splitter.feed("grö".encode()[-1:] + b"\r\nrest") == ["grö"]
    assert splitter.rest() == "rest"


def test_a_line_has_no_limit():
    splitter = LineSplitter()
    for _ in range(300):
        assert splitter.feed(b"x" * 10_000) == []
    assert [len(line) for line in splitter.feed(b"\n")] == [3_000_000]


@given(st.text(max_size=300))
def test_no_line_makes_it_fall_over(line: str):
    assert isinstance(parse(line), tuple)
    display(line)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_FIELDS = st.sampled_from(
    [
        "message",
        "content",
        "mcp_servers",
        "tools",
        "usage",
        "result",
        "errors",
        "tool_result_meta",
        "permission_denials",
        "deferred_tool_use",
    ]
)


@given(
    st.sampled_from(
        ["system/init", "system/api_retry", "system/permission_denied", "assistant/", "user/", "result/", "other/"]
    ),
    st.dictionaries(_FIELDS, _JSON),
)
def test_known_kinds_in_unknown_shapes_are_kept(kind: str, fields: dict[str, Any]):
    name, _, subtype = kind.partition("/")
    line = json.dumps({"type": name, "subtype": subtype, **fields})
    assert parse(line)
    display(line)


def one(**fields: Any) -> Any:
    (event,) = parse(json.dumps(fields))
    return event


def test_what_is_unknown_is_kept_as_it_came():
    event = one(type="system", subtype="brand_new", x=1)
    assert isinstance(event, Unknown)
    assert (event.kind, json.loads(event.raw)["x"]) == ("system/brand_new", 1)
    assert parse("not json") == (Garbage(raw="not json"),)
    assert parse("[" * 100_000)[0] == Garbage(raw="[" * 100_000)
    assert parse("  ") == ()


def test_a_message_gives_one_event_per_block():
    content = [
        {"type": "text", "text": "hm"},
        {"type": "thinking", "thinking": "so"},
        {"type": "tool_use", "id": "t1", "name": "Read", "input": {"a": 1}},
    ]
    events = parse(json.dumps({"type": "assistant", "message": {"id": "m", "content": content}}))
    assert events == (
        AssistantText(text="hm", message_id="m"),
        Thinking(text="so"),
        ToolUse(id="t1", name="Read", input={"a": 1}),
    )


def test_a_tool_result_may_be_text_or_blocks():
    for content in ("two\nlines", [{"type": "text", "text": "two"}, {"type": "text", "text": "lines"}]):
        event = one(
            type="user",
            message={"content": [{"type": "tool_result", "tool_use_id": "t1", "content": content, "is_error": True}]},
        )
        assert event == ToolResult(tool_use_id="t1", text="two\nlines", is_error=True)


def test_the_order_of_keys_does_not_matter():
    assert isinstance(one(duration_ms=5, subtype="success", type="result"), Result)


def test_a_missing_report_is_not_an_empty_one():
    assert one(type="result", structured_output=None).has_output
    assert not one(type="result").has_output


def test_the_reader_remembers_the_last_result():
    reader = StreamReader()
    for fields in (
        {"type": "system", "subtype": "init", "session_id": "s"},
        {"type": "result", "result": "a"},
        {"type": "result", "result": "b"},
    ):
        reader.read(json.dumps(fields))
    assert reader.init == Init(session_id="s")
    assert reader.result
    assert reader.result.text == "b"


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        (
            ToolUse(
                id="t", name="mcp__tiercel__act", input={"kind": "restart", "target": "local/web", "reason": "hung"}
            ),
            ["→ act restart local/web  (hung)"],
        ),
        (
            ToolUse(id="t", name="mcp__tiercel__logs", input={"service": "local/web", "lines": 50}),
            ["→ logs local/web 50"],
        ),
        (ToolUse(id="t", name="StructuredOutput", input={"summary": "all well"}), ["→ report: all well"]),
        (ToolResult(tool_use_id="t", text="restarted"), ["← restarted"]),
        (ToolResult(tool_use_id="t", text="no", is_error=True), ["✗ no"]),
        (
            ToolResult(tool_use_id="t", text="\n".join("abcdefgh")),
            ["← a", "  b", "  c", "  d", "  e", "  f", "  … 2 more lines"],
        ),
        (
            ApiRetry(attempt=1, max_retries=3, delay_ms=500, status=529),
            ["! model request failed (529), attempt 1 of 3, next in 0.5 s"],
        ),
        (PermissionDenied(tool="mcp__tiercel__act", reason="limit"), ["✗ act refused: limit"]),
        (Result(terminal_reason="tool_deferred"), ["● parked: waits for a person's answer"]),
        (AssistantText(text="\x1b[31mred\x07"), ["[31mred"]),
        (
            AssistantText(text="a key: sk-ant-\u200bapi03\u2060-x, \u202ebackwards"),
            ["a key: sk-ant-api03-x, backwards"],
        ),
        (AssistantText(text="x" * 500), ["x" * (WIDTH - 1) + "…"]),
        (AssistantText(text="x" * 50 + "\u200b" * 5000 + "y"), ["x" * 50 + "…"]),
    ],
)
def test_people_read_short_lines(event: Any, shown: list[str]):
    assert display(event) == shown
