"""How commands print: text for people, JSON for programs. The JSON's fields are those of the values shown."""

import dataclasses
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import MAXYEAR, datetime
from enum import StrEnum
from typing import Any, cast

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

_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])")
_CONTROLS = {c: None for c in (*range(0x20), *range(0x7F, 0xA0)) if c not in {0x09, 0x0A}}


def safe(text: str) -> str:
    """Without terminal controls: what a model or a service says must not move a cursor or set a title."""
    return _SEQUENCE.sub("", text).translate(_CONTROLS)


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
            return {str(k): plain(v) for k, v in cast("Mapping[object, object]", value).items()}
        case str() | int() | float() | None:
            return value
        case Sequence():
            return [plain(v) for v in cast("Sequence[object]", value)]
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
    cells = [[safe(cell) for cell in row] for row in cells]
    if not out.is_terminal:
        _aligned(columns, cells)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in cells:
        table.add_row(*[Text(cell) for cell in row])
    out.print(table)


def _aligned(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    """One line per row however long it is: a pipe has no width to fold at."""
    lines = [list(columns), *([c.replace("\n", " ") for c in row] for row in cells)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(columns))]
    for line in lines:
        text = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        sys.stdout.write(text.rstrip() + "\n")


def one(format_: Format, value: object, text: str) -> None:
    """One thing."""
    if format_ == Format.TEXT:
        out.print(Text(safe(text)))
    else:
        sys.stdout.write(
            json.dumps(plain(value), indent=2 if format_ == Format.JSON else None, ensure_ascii=False) + "\n"
        )


def hint(text: str) -> None:
    """What to do next, for people only."""
    err.print(Text(safe(text), style="dim"))


def ago(at: datetime | None, now: datetime) -> str:
    """A time as people say it."""
    if at is None:
        return "never"
    if at.year == MAXYEAR:
        return "never"
    seconds = (now - at).total_seconds()
    word = "ago" if seconds >= 0 else "from now"
    seconds = abs(seconds)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} {word}"
    return f"{seconds:.0f} s {word}"
