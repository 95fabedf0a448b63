"""How commands print: text for people, JSON for programs. The JSON's fields are those of the values shown."""

import dataclasses
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel
from rich.console import Console
from rich.table import Table
from rich.text import Text


class Format(StrEnum):
    """`-o`."""

    TEXT = "text"
    JSON = "json"
    JSONL = "jsonl"


out = Console(soft_wrap=True, highlight=False)
err = Console(stderr=True, soft_wrap=True, highlight=False)


def plain(value: object) -> Any:
    """Anything that we show, as JSON."""
    match value:
        case BaseModel():
            return value.model_dump(mode="json")
        case datetime():
            return value.isoformat()
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        case Mapping():
            return {str(k): plain(v) for k, v in value.items()}
        case str() | int() | float() | None:
            return value
        case Sequence():
            return [plain(v) for v in value]
        case _:
            return str(value)


def rows(
    format_: Format, values: Iterable[object], columns: Sequence[str], cells: Sequence[Sequence[str]], empty: str
) -> None:
    """A list: a table for people (or the sentence `empty`), JSON for programs."""
    if format_ == Format.JSON:
        sys.stdout.write(json.dumps([plain(v) for v in values], indent=2, ensure_ascii=False) + "\n")
        return
    if format_ == Format.JSONL:
        for value in values:
            sys.stdout.write(json.dumps(plain(value), ensure_ascii=False) + "\n")
        return
    if not cells:
        err.print(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in cells:
        table.add_row(*[Text(cell) for cell in row])
    out.print(table)


def one(format_: Format, value: object, text: str) -> None:
    """One thing."""
    if format_ == Format.TEXT:
        out.print(Text(text))
    else:
        sys.stdout.write(
            json.dumps(plain(value), indent=2 if format_ == Format.JSON else None, ensure_ascii=False) + "\n"
        )


def hint(text: str) -> None:
    """What to do next, for people only."""
    err.print(Text(text, style="dim"))


def ago(at: datetime | None, now: datetime) -> str:
    """A time as people say it."""
    if at is None:
        return "never"
    seconds = (now - at).total_seconds()
    word = "ago" if seconds >= 0 else "from now"
    seconds = abs(seconds)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} {word}"
    return f"{seconds:.0f} s {word}"
