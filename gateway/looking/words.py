"""Kinds of arguments that several tools take."""

from typing import Annotated

from pydantic import Field, StringConstraints

Spelling = Annotated[
    str,
    StringConstraints(strict=True, strip_whitespace=True, min_length=1, max_length=200),
    Field(description="A service id from `services`, such as local/web."),
]
Word = Annotated[
    str, StringConstraints(strict=True, max_length=200), Field(description="Only lines that hold this text.")
]
Minutes = Annotated[int, Field(strict=True, ge=1, le=10_080, description="How far back, in minutes.")]


def newest(lines: list[str], limit: int) -> str:
    """The last lines that fit into `limit` bytes."""
    left, first = limit, len(lines)
    while first and (left := left - len(lines[first - 1].encode("utf-8", "replace")) - 1) >= 0:
        first -= 1
    note = f"... {first} older lines left out\n" if first else ""
    return note + ("\n".join(lines[first:]) or "(none)")
