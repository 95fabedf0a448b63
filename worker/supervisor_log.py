"""One readable log of all processes: on the terminal and, with rotation, in a file."""

import asyncio
import json
import logging
import logging.handlers
import re
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

LINE_LIMIT = 16_384  # characters; a longer line is cut and says so
FILE_BYTES = 10_000_000
FILES_KEPT = 5
TAIL_LINES = 12
_NAME_WIDTH = 9
_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92)
# Escape sequences and other control characters: a line can quote what a broken service sent.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|.)?")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class CombinedLog:
    """Lines of all children. `write` never raises: a full disk must not stop what is being logged."""

    def __init__(
        self,
        file: Path | None,
        terminal: TextIO | None,
        *,
        redact: Callable[[str], str] = str,
        as_json: bool = False,
        coloured: bool = False,
    ) -> None:
        self._terminal = terminal
        self._redact = redact
        self._json = as_json
        self._coloured = coloured
        self._tails: dict[str, deque[str]] = {}
        self._file = _rotating(file) if file is not None else None

    def write(self, name: str, text: str) -> None:
        """One line (or several) of the child `name`."""
        for raw in text.splitlines() or [""]:
            line = _CONTROL.sub("?", _ESCAPES.sub("", self._redact(raw))).rstrip()
            self._tails.setdefault(name, deque(maxlen=TAIL_LINES)).append(line)
            now = datetime.now(UTC)
            self._to_file(self._format(now, name, line, colour=False))
            if self._terminal is not None:
                try:
                    self._terminal.write(self._format(now.astimezone(), name, line, colour=self._coloured) + "\n")
                    self._terminal.flush()
                except (OSError, ValueError):
                    self._terminal = None  # closed (nohup, a broken pipe); the file goes on

    def tail(self, name: str) -> tuple[str, ...]:
        """The last lines of one child, for an error message."""
        return tuple(self._tails.get(name, ()))

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def _format(self, now: datetime, name: str, line: str, *, colour: bool) -> str:
        if self._json:
            if line.startswith("{"):
                return line
            return json.dumps({"at": now.isoformat(), "process": name, "event": line}, ensure_ascii=False)
        prefix = f"{name:<{_NAME_WIDTH}}|"
        if not colour:
            return f"{now:%Y-%m-%d %H:%M:%S} {prefix} {line}"
        number = list(self._tails).index(name)
        return f"{now:%H:%M:%S} \x1b[{_COLOURS[number % len(_COLOURS)]}m{prefix}\x1b[0m {line}"

    def _to_file(self, line: str) -> None:
        if self._file is not None:
            self._file.emit(logging.LogRecord("up", logging.INFO, "", 0, line, None, None))


class _Rotating(logging.handlers.RotatingFileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (the library's name)
        """A full disk loses lines of the file; the terminal still shows them."""


def _rotating(file: Path) -> logging.Handler:
    file.parent.mkdir(parents=True, exist_ok=True)
    handler = _Rotating(file, maxBytes=FILE_BYTES, backupCount=FILES_KEPT, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(message)s"))
    return handler


async def copy_lines(stream: asyncio.StreamReader, write: Callable[[str], None]) -> None:
    """Copy whole lines until the end of the stream; a line without end is cut at LINE_LIMIT."""
    rest = b""
    while chunk := await stream.read(65_536):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            write(_shown(line))
        if len(rest) > LINE_LIMIT:
            write(_shown(rest))
            rest = b""
    if rest:
        write(_shown(rest))


def _shown(line: bytes) -> str:
    text = line.decode(errors="replace").rstrip("\r")
    return text if len(text) <= LINE_LIMIT else f"{text[:LINE_LIMIT]}... ({len(text)} characters)"
