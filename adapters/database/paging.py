"""Positions in a list that is sorted by time and a tie-breaker, as text that fits into a URL."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from adapters.database.records import Page
from domain.errors import FatalError

T = TypeVar("T")


def cursor_of(at: datetime, key: str) -> str:
    """The position just behind the row with this time and key."""
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%S.%f}~{key}"


def position(after: str) -> dict[str, object]:
    """Query parameters for `after`; "" is the beginning. Raises FatalError for text that is no position."""
    if not after:
        return {"after_at": None, "after_key": None}
    time, separator, key = after.partition("~")
    try:
        at = datetime.strptime(time, "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC)
    except ValueError as e:
        raise FatalError("this is not a position in a list; start from the first page") from e
    if not separator:
        raise FatalError("this is not a position in a list; start from the first page")
    return {"after_at": at, "after_key": key}


def ranked(rank: int, key: str) -> str:
    """The position just behind the row with this rank and key, in a list that is sorted by them."""
    return f"{rank}~{key}"


def rank_position(after: str) -> dict[str, object]:
    """Query parameters for `after` of `ranked`. Raises FatalError for text that is no such position."""
    if not after:
        return {"after_rank": None, "after_id": None}
    rank, separator, key = after.partition("~")
    if not (rank.isascii() and rank.isdigit() and len(rank) < 4 and separator):
        raise FatalError("this is not a position in a list; start from the first page")
    return {"after_rank": int(rank), "after_id": key}


def page(rows: Sequence[T], limit: int, cursor: Callable[[T], str]) -> Page[T]:
    """The first `limit` rows; one row more than asked for tells that there is a next page."""
    shown = tuple(rows[:limit])
    return Page(shown, cursor(shown[-1]) if len(rows) > limit and shown else "")
