"""Numbered lines: none lost, none doubled, wherever the stream is cut and whenever the reader dies."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.output import MAX_AGE, MAX_LINES, OutputCopy
from domain.ids import SessionId
from domain.session import OutputLine

SESSION = SessionId("s1")


@dataclass
class Shelf:
    """Keeps chunks as the record does: what is there already is skipped. Dies when told to."""

    lines: list[OutputLine] = field(default_factory=list[OutputLine])
    chunks: list[int] = field(default_factory=list[int])
    dies_at: int = -1

    async def last_seq(self, session: SessionId, attempt: int) -> int:
        return len(self.lines)

    async def append_output(self, session: SessionId, attempt: int, lines: Sequence[OutputLine]) -> None:
        if len(self.chunks) == self.dies_at:
            self.dies_at = -1
            raise ConnectionError
        assert [line.seq for line in lines] == list(range(lines[0].seq, lines[0].seq + len(lines)))
        assert lines[0].seq == len(self.lines) + 1, "a gap, or a line twice"
        self.lines += lines
        self.chunks.append(len(lines))


class Watch:
    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


def copy(shelf: Shelf, watch: Watch) -> OutputCopy:
    return OutputCopy(shelf, SESSION, 1, lambda text: text.replace("hunter2000", "[redacted]"), watch)  # pyright: ignore[reportArgumentType]


def said(text: str) -> bytes:
    return json.dumps({"type": "assistant", "message": {"content": [{"type": "text", "text": text}]}}).encode() + b"\n"


async def shown(data: bytes) -> list[str]:
    shelf = Shelf()
    reader = copy(shelf, Watch())
    await reader.feed(data)
    await reader.finish()
    return [line.text for line in shelf.lines]


texts = st.lists(
    st.one_of(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=40).map(said),
        st.binary(max_size=30).map(lambda b: b.replace(b"\n", b" ") + b"\n"),  # what is no JSON is shown as it is
        st.just(b"\n"),
    ),
    max_size=40,
)


@given(texts, st.lists(st.integers(1, 200), max_size=30), st.lists(st.integers(0, 3), max_size=4), st.booleans())
@settings(max_examples=150, deadline=None)
async def test_any_cuts_and_any_deaths_of_the_reader_give_the_same_lines(
    parts: list[bytes], cuts: list[int], deaths: list[int], unfinished: bool
) -> None:
    data = b"".join(parts)[: -1 if unfinished else None]
    wanted = await shown(data)
    shelf, watch = Shelf(), Watch()
    for death in [*deaths, -1]:
        shelf.dies_at = len(shelf.chunks) + death if death >= 0 else -1
        reader = copy(shelf, watch)
        await reader.resume()
        sizes, at = iter(cuts), 0
        try:
            while at < len(data):
                size = next(sizes, len(data))
                await reader.feed(data[at : at + size])
                at += size
                watch.time += MAX_AGE
                await reader.flush_if_due()
            await reader.finish()
        except ConnectionError:
            continue
        break
    assert [line.text for line in shelf.lines] == wanted


async def test_a_line_is_redacted_before_it_is_stored() -> None:
    assert await shown(said("the key is hunter2000")) == ["the key is [redacted]"]


async def test_a_mark_that_nobody_sees_hides_no_secret() -> None:
    assert await shown(said("the word is hunter\u200b20\u206000")) == ["the word is [redacted]"]


async def test_lines_wait_for_company_but_not_for_long() -> None:
    shelf, watch = Shelf(), Watch()
    reader = copy(shelf, watch)
    await reader.feed(said("one"))
    await reader.flush_if_due()
    assert shelf.lines == []
    watch.time += MAX_AGE - timedelta(microseconds=1)
    await reader.flush_if_due()
    assert shelf.lines == []
    watch.time += timedelta(microseconds=1)
    await reader.flush_if_due()
    assert [line.text for line in shelf.lines] == ["one"]


async def test_many_lines_are_stored_in_chunks() -> None:
    shelf = Shelf()
    reader = copy(shelf, Watch())
    await reader.feed(b"".join(said(f"line {n}") for n in range(MAX_LINES * 2 + 3)))
    assert shelf.chunks == [MAX_LINES, MAX_LINES]
    await reader.finish()
    assert shelf.chunks == [MAX_LINES, MAX_LINES, 3]


async def test_an_unfinished_last_line_counts() -> None:
    assert await shown(said("whole") + said("cut")[:-1]) == ["whole", "cut"]


@pytest.mark.parametrize("size", [1, 7])
async def test_letters_that_are_cut_in_the_middle_stay_whole(size: int) -> None:
    shelf = Shelf()
    reader = copy(shelf, Watch())
    data = said("grün 🦅 ok")
    for at in range(0, len(data), size):
        await reader.feed(data[at : at + size])
    await reader.finish()
    assert [line.text for line in shelf.lines] == ["grün 🦅 ok"]
