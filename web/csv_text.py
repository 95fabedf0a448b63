"""Rows as CSV (RFC 4180, UTF-8) that a spreadsheet shows and never runs."""

import csv
import io
from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo

# A cell that begins so is a formula in one spreadsheet or another; the last four are the full-width forms.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def lines(rows: Iterable[Iterable[object]], zone: tzinfo = UTC) -> str:
    """All rows, each ended by CRLF. None is an empty cell, a list is joined by spaces.

    A time is ISO 8601 with the offset of `zone`.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerows([_cell(value, zone) for value in row] for row in rows)
    return out.getvalue()


def _cell(value: object, zone: tzinfo) -> str | int | float:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return value
        case datetime():
            return value.astimezone(zone).isoformat(timespec="seconds")
        case list() | tuple():
            return _text(" ".join(str(item) for item in value))  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        case _:
            return _text(str(value))


def _text(text: str) -> str:
    """Behind an apostrophe where a spreadsheet would calculate it, also behind blanks that it would skip."""
    shown = text.replace("\0", "")
    return "'" + shown if shown.startswith(FORMULA) or shown.lstrip().startswith(FORMULA) else shown
