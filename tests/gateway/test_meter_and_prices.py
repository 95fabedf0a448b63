"""Counting and pricing: dated rates, hostile streams."""

import json
from datetime import UTC, datetime

import pytest

from gateway.meter import MAX_LINE, Meter
from policy.prices import Tokens, cost_usd, price_of

NOW = datetime(2026, 11, 1, tzinfo=UTC)
MILLION = Tokens(input=1_000_000)


def test_a_price_holds_from_its_day_on():
    cached = Tokens(cache_read=1_000_000)
    assert cost_usd("claude-sonnet-5-5", cached, datetime(2026, 10, 6, 23, tzinfo=UTC)) == pytest.approx(0.20)
    assert cost_usd("claude-sonnet-5-5", cached, datetime(2026, 10, 7, tzinfo=UTC)) == pytest.approx(0.10)
    assert cost_usd("claude-sonnet-5-5", cached, datetime(2020, 1, 1, tzinfo=UTC)) == pytest.approx(0.20)


def test_a_long_prompt_of_the_small_model_costs_five_times_as_much():
    short, long = Tokens(input=100_000), Tokens(input=100_001)
    assert cost_usd("claude-haiku-5-5", short, NOW) == pytest.approx(0.01)
    assert cost_usd("claude-haiku-5-5", long, NOW) == pytest.approx(0.05, rel=1e-4)


def test_a_dated_id_costs_what_its_undated_one_costs_and_an_unknown_one_counts_as_dear():
    assert price_of("claude-haiku-4-5-20251001", NOW).model == "claude-haiku-4-5"
    assert price_of("some-model", NOW).model == "claude-opus-5-5"
    assert cost_usd("some-model", MILLION, NOW) == pytest.approx(4.0)


def sse(**event: object) -> bytes:
    return b"data: " + json.dumps(event).encode() + b"\n\n"


@pytest.mark.parametrize(
    "junk",
    [
        b"data: {not json with message_start\n\n",
        b'data: ["message_start"]\n\n',
        b'data: {"type":"message_delta","usage":[]}\n\n',
        b'data: {"type":"message_delta","usage":{"output_tokens":"9","input_tokens":-3,"x":true}}\n\n',
        b"data: " + b"x" * (MAX_LINE + 10) + b"\n\n",
        b"\x00\xff\n\n",
    ],
)
def test_nonsense_in_a_stream_costs_nothing_but_itself(junk: bytes):
    meter = Meter(stream=True)
    meter.feed(sse(type="message_start", message={"usage": {"input_tokens": 5}}))
    meter.feed(junk)
    meter.feed(sse(type="message_delta", usage={"output_tokens": 7}))
    meter.feed(sse(type="message_stop"))
    meter.close()
    assert meter.tokens == Tokens(input=5, output=7)
    assert meter.finished


def test_an_endless_answer_is_not_kept():
    for stream in (True, False):
        meter = Meter(stream=stream)
        for _ in range(12):
            meter.feed(b"x" * (1 << 20))
        assert len(meter._rest) <= MAX_LINE
        meter.close()
        assert meter.tokens == Tokens()
