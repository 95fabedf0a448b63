"""Lines to chunks and back. Pure: no clock, no database.

A chunk holds consecutive lines as JSON, compressed where that pays: whole numbers of microseconds keep the time
exact, the line's number is implied by its place.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import zstandard

from adapters.database.text import clean
from domain.session import OutputLine

PLAIN: Final = 0
ZSTD: Final = 1
MAX_LINES = 64
MAX_BYTES = 64 * 1024
_TINY = 200  # bytes below which zstd's frame costs more than it saves
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive lines as they are stored."""

    first_seq: int
    n: int
    at: datetime
    codec: int
    body: bytes


def size_of(line: OutputLine) -> int:
    """Bytes that a line counts towards MAX_BYTES."""
    return len(line.text.encode("utf-8", "replace")) + 24


def split(lines: Iterable[OutputLine]) -> Iterator[list[OutputLine]]:
    """Groups of at most MAX_LINES lines and MAX_BYTES bytes. A longer line is a group of its own, never cut."""
    group: list[OutputLine] = []
    size = 0
    for line in lines:
        length = size_of(line)
        if group and (len(group) == MAX_LINES or size + length > MAX_BYTES):
            yield group
            group, size = [], 0
        group.append(line)
        size += length
    if group:
        yield group


def pack(lines: Sequence[OutputLine]) -> Chunk:
    """One chunk of lines whose numbers follow each other."""
    rows = [[(line.at - _EPOCH) // _MICROSECOND, line.stream, clean(line.text)] for line in lines]
    raw = json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode()
    codec, body = (PLAIN, raw) if len(raw) < _TINY else (ZSTD, zstandard.compress(raw, 3))
    return Chunk(lines[0].seq, len(lines), lines[0].at, codec, body)


def unpack(first_seq: int, codec: int, body: bytes) -> list[OutputLine]:
    """The lines of one chunk."""
    raw = zstandard.decompress(body) if codec == ZSTD else body
    rows: list[tuple[int, Literal["out", "err", "note"], str]] = json.loads(raw)
    return [
        OutputLine(seq=first_seq + place, at=_EPOCH + at * _MICROSECOND, stream=stream, text=text)
        for place, (at, stream, text) in enumerate(rows)
    ]
