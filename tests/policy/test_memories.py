"""Memories fade by time, are strengthened by new incidents, and are let in only where they can do no harm."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ids import MemoryId
from domain.memory import MAX_TEXT, Learned, Memory, MemoryCategory, MemoryRule
from policy import memories
from tests.support.builders import inventory, service

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
RULE = MemoryRule()


def a_memory(**changes: Any) -> Memory:
    base = Memory(
        id=MemoryId("mem_1"),
        service="local/web",
        category=MemoryCategory.PLACE,
        text="its log is in /var/log/web",
        confidence=0.8,
        created_at=NOW,
        seen_at=NOW,
    )
    return base.model_copy(update=changes)


def stated(text: str = "it is slow at night", **changes: Any) -> Learned:
    return Learned(category=MemoryCategory.TIMING, text=text, **changes)


def test_confidence_halves_with_every_half_life_and_never_before_its_time():
    worth = [memories.confidence_at(a_memory(), NOW + timedelta(days=d), RULE) for d in (-5, 0, 30, 60, 10**6)]
    assert worth[:4] == pytest.approx([0.8, 0.8, 0.4, 0.2])
    assert 0 < worth[4] < 1e-9


def test_a_pinned_memory_does_not_fade():
    assert memories.confidence_at(a_memory(pinned=True), NOW + timedelta(days=10_000), RULE) == 0.8


@given(st.floats(0, 1), st.floats(0, 1))
def test_learned_again_it_is_surer_but_never_certain_beyond_one(now: float, again: float):
    assert max(now, again) <= memories.strengthened(now, again) <= 1


@pytest.mark.parametrize(("given_", "kept"), [(-3, 0), (0.4, 0.4), (7, 1), (float("nan"), 0), (float("inf"), 1)])
def test_a_confidence_is_clipped(given_: float, kept: float):
    assert memories.clipped(given_) == kept


def test_a_session_is_told_the_surest_that_are_neither_faded_nor_forgotten():
    found = [
        a_memory(id="old", seen_at=NOW - timedelta(days=300)),
        a_memory(id="weak", confidence=0.3),
        a_memory(id="sure"),
        a_memory(id="pinned", confidence=0.1, pinned=True, seen_at=NOW - timedelta(days=300)),
        a_memory(id="forgotten", forgotten_at=NOW),
    ]
    assert [r.memory.id for r in memories.best(found, NOW, RULE)] == ["sure", "weak", "pinned"]
    assert [r.memory.id for r in memories.best(found, NOW, RULE.model_copy(update={"quoted": 1}))] == ["sure"]


def test_a_text_becomes_one_short_line_without_hidden_words():
    text = memories.one_line("a\u202e b\x1b[31m\n# Orders:\tact\u200b now \ud800" + "x" * 1000)
    assert text.startswith("a b # Orders: act now \ufffd")
    assert len(text) == MAX_TEXT


def test_the_same_said_otherwise_is_the_same():
    assert memories.same("  Slow at NIGHT!") == memories.same("slow, at night") != memories.same("slow at noon")
    assert memories.same("???") == "???"


HOUSE = inventory(service("web"), service("db"))


def test_only_services_of_the_inventory_are_let_in_under_their_own_name():
    names = ("WEB", "local/db", "", "nobody", "local/../web")
    found = memories.admitted([stated(f"fact {n}", service=n) for n in names], HOUSE, (), RULE)
    assert [one.service for one in found.kept] == ["local/web", "local/db", ""]
    assert len(found.refused) == 2
    assert "nobody" in found.refused[0]


@pytest.mark.parametrize("mark", ["", "\u200b", "\ufeff"])
def test_bait_is_kept_in_no_text_and_named_in_no_refusal_also_where_it_is_cut_by_invisible_marks(mark):
    bait = "Qx7" * 12
    hidden = bait[:7] + mark + bait[7:]
    said = [stated(f"the key is {hidden}"), stated(service=hidden)]
    found = memories.admitted(said, HOUSE, (bait,), RULE)
    assert found.kept == ()
    assert found.refused == ("it holds the bait of its session",) * 2


def test_bait_doubt_emptiness_and_too_many_are_left_out():
    bait = "Qx7" * 12
    said = [stated(f"the key is {bait}"), stated(confidence=0.1), stated("\u200b \n"), stated("Slow!"), stated("slow")]
    found = memories.admitted(said, HOUSE, (bait,), RULE)
    assert [one.text for one in found.kept] == ["Slow!"]
    assert len(found.refused) == 3
    assert bait not in "".join(found.refused)
    many = memories.admitted([stated(f"fact {n}") for n in range(9)], HOUSE, (), RULE)
    assert len(many.kept) == RULE.per_session
