"""No line lost, none doubled, whatever the batches, the repetitions and the breaks."""

import asyncio
import itertools
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.database import output as output_module
from adapters.database.output import OutputStore
from adapters.database.output_buffer import OutputBuffer
from adapters.database.output_codec import MAX_BYTES, MAX_LINES, PLAIN, ZSTD, pack, size_of, split, unpack
from adapters.database.pool import Pool
from domain.errors import TransientError
from domain.ids import SessionId
from domain.session import OutputLine
from tests.support.record import NOON, SESSION, at, lines

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=200)
MOMENT = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
STREAM = st.sampled_from(["out", "err", "note"])


@st.composite
def outputs(draw: st.DrawFn) -> list[OutputLine]:
    first = draw(st.integers(1, 10**12))
    rows = draw(st.lists(st.tuples(MOMENT, STREAM, TEXT), min_size=1, max_size=150))
    return [OutputLine(seq=first + n, at=when, stream=s, text=t) for n, (when, s, t) in enumerate(rows)]  # type: ignore[arg-type]


@given(outputs())
def test_chunks_give_back_exactly_what_was_packed(given_lines: list[OutputLine]) -> None:
    groups = list(split(given_lines))
    chunks = [pack(group) for group in groups]
    assert [line for c in chunks for line in unpack(c.first_seq, c.codec, c.body)] == given_lines
    assert all(c.n == len(g) <= MAX_LINES for c, g in zip(chunks, groups, strict=True))


@given(st.lists(st.sampled_from([0, 10, MAX_BYTES // 3, MAX_BYTES, MAX_BYTES * 2]), max_size=40))
def test_groups_keep_the_order_and_the_bounds(sizes: list[int]) -> None:
    given_lines = [OutputLine(seq=n + 1, at=NOON, text="x" * size) for n, size in enumerate(sizes)]
    groups = list(split(given_lines))
    assert list(itertools.chain.from_iterable(groups)) == given_lines
    for group in groups:
        assert len(group) == 1 or sum(map(size_of, group)) <= MAX_BYTES


def test_small_chunks_stay_plain_and_larger_ones_are_compressed() -> None:
    small, large = pack(lines(1, 1)), pack(lines(1, 64, "x" * 100))
    assert (small.codec, large.codec) == (PLAIN, ZSTD)
    assert len(large.body) < 64 * 100 / 4


def test_odd_characters_become_visible_substitutes() -> None:
    chunk = pack([OutputLine(seq=1, at=NOON, text="nul \0, surrogate \ud800, emoji 😀")])
    assert unpack(chunk.first_seq, chunk.codec, chunk.body)[0].text == "nul \u2400, surrogate \ufffd, emoji 😀"


@pytest.fixture
def store(pool: Pool) -> OutputStore:
    return OutputStore(pool)


async def test_reading_resumes_at_any_line(store: OutputStore) -> None:
    written = lines(1, 150)
    await store.append_output(SESSION, 1, written[:10])
    await store.append_output(SESSION, 1, written[10:])
    for after in (0, 1, 9, 10, 11, 63, 64, 73, 74, 75, 149, 150, 1000):
        assert await store.read_output(SESSION, 1, after) == written[after:], after
    assert await store.read_output(SESSION, 1, 5, limit=7) == written[5:12]
    assert await store.last_seq(SESSION, 1) == 150


async def test_attempts_and_sessions_do_not_mix(store: OutputStore) -> None:
    other = SessionId("other")
    await store.append_output(SESSION, 1, lines(1, 3, "one"))
    await store.append_output(SESSION, 2, lines(1, 2, "two"))
    await store.append_output(other, 1, lines(1, 1, "other"))
    assert await store.read_output(SESSION, 2) == lines(1, 2, "two")
    assert [await store.last_seq(SESSION, 1), await store.last_seq(other, 1), await store.last_seq(other, 2)] == [
        3,
        1,
        0,
    ]


async def test_lines_that_are_stored_already_are_skipped(store: OutputStore) -> None:
    await store.append_output(SESSION, 1, lines(1, 10))
    await store.append_output(SESSION, 1, lines(1, 10))
    await store.append_output(SESSION, 1, lines(5, 12))
    await store.append_output(SESSION, 1, [])
    assert await store.read_output(SESSION, 1) == lines(1, 12)


async def test_a_gap_is_refused_and_says_where_to_go_on(store: OutputStore) -> None:
    await store.append_output(SESSION, 1, lines(1, 3))
    with pytest.raises(TransientError, match="line 4 is missing before 5; resume after 3"):
        await store.append_output(SESSION, 1, lines(5, 6))
    with pytest.raises(TransientError, match="line 5 is missing before 6"):
        await store.append_output(SESSION, 1, [*lines(4, 4), *lines(6, 6)])
    assert await store.last_seq(SESSION, 1) == 3


async def test_two_writers_of_one_attempt_cannot_double_a_line(store: OutputStore) -> None:
    async def write_all() -> None:
        for first in range(1, 200, 7):
            await store.append_output(SESSION, 1, lines(first, min(first + 6, 200)))

    await asyncio.gather(write_all(), write_all(), write_all())
    assert await store.read_output(SESSION, 1) == lines(1, 200)


async def test_a_line_of_a_megabyte_is_kept_whole(store: OutputStore) -> None:
    long = "".join(chr(0x4E00 + n % 5000) for n in range(1 << 20))
    written = [OutputLine(seq=1, at=NOON, text=long), OutputLine(seq=2, at=NOON, stream="err", text="after")]
    await store.append_output(SESSION, 1, written)
    assert await store.read_output(SESSION, 1) == written
    assert await store.read_output(SESSION, 1, 1) == written[1:]


async def test_a_read_stops_early_when_it_holds_enough_bytes(
    store: OutputStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output_module, "READ_BYTES", 1)
    monkeypatch.setattr(output_module, "_MOST_CHUNKS", 2)
    written = lines(1, 64 * 5)
    await store.append_output(SESSION, 1, written)
    seen: list[OutputLine] = []
    reads = 0
    while more := await store.read_output(SESSION, 1, seen[-1].seq if seen else 0):
        seen += more
        reads += 1
    assert seen == written
    assert reads == 3


async def test_a_writer_survives_the_loss_of_its_connections(database_url: str, store: OutputStore) -> None:
    """All backends are terminated again and again while lines are written; nothing is lost, nothing doubled."""
    done = asyncio.Event()
    cuts = 0

    async def cut() -> None:
        nonlocal cuts
        async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as conn:
            while not done.is_set():
                rows = await conn.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
                cuts += rows.rowcount
                await asyncio.sleep(0.1)

    async def write() -> None:
        for first in range(1, 2000, 10):
            while True:
                try:
                    await store.append_output(SESSION, 1, lines(first, first + 9))
                    break
                except TransientError:  # what Temporal would do
                    await asyncio.sleep(0.01)
        done.set()

    await asyncio.gather(cut(), write())
    assert cuts > 0
    written = lines(1, 2000)
    for _ in range(20):
        try:
            assert await store.read_output(SESSION, 1, limit=3000) == written
            break
        except TransientError:
            await asyncio.sleep(0.05)
    else:
        pytest.fail("the record did not come back")


class Clock:
    """Moves when told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return at(self.seconds)


def test_a_buffer_is_due_by_count_by_bytes_or_by_age() -> None:
    clock = Clock()
    buffer = OutputBuffer(clock.now)
    assert (buffer.due, buffer.wait_s) == (False, None)
    for line in lines(1, MAX_LINES):
        assert not buffer.due
        buffer.add(line)
    assert buffer.due
    assert buffer.take() == lines(1, MAX_LINES)
    assert (buffer.due, buffer.wait_s) == (False, None)

    buffer.add(OutputLine(seq=1, at=NOON, text="x" * MAX_BYTES))
    assert buffer.due
    buffer.take()

    buffer.add(lines(1, 1)[0])
    clock.seconds += 0.2
    buffer.add(lines(2, 2)[0])  # a younger line does not make the older one wait again
    assert not buffer.due
    assert buffer.wait_s == pytest.approx(0.05)  # type: ignore[reportUnknownMemberType]
    clock.seconds += 0.05
    assert buffer.due


def test_lines_that_could_not_be_stored_come_back_first() -> None:
    clock = Clock()
    buffer = OutputBuffer(clock.now)
    buffer.add(lines(1, 1)[0])
    failed = buffer.take()
    buffer.add(lines(2, 2)[0])
    buffer.put_back(failed)
    clock.seconds += timedelta(milliseconds=250).total_seconds()
    assert buffer.due
    assert buffer.take() == lines(1, 2)
