"""The combined log: readable, bounded, and harmless to a terminal."""

import asyncio
import io
import json
import re
from pathlib import Path

from worker import supervisor_log
from worker.supervisor_log import CombinedLog, copy_lines


def test_each_line_says_when_and_who_on_the_terminal_and_in_the_file(tmp_path: Path) -> None:
    terminal = io.StringIO()
    log = CombinedLog(tmp_path / "logs" / "tiercel.log", terminal)
    log.write("web", "one\ntwo")
    log.close()
    for text in (terminal.getvalue(), (tmp_path / "logs" / "tiercel.log").read_text()):
        assert [re.sub(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", "", line) for line in text.splitlines()] == [
            "web      | one",
            "web      | two",
        ]


def test_what_a_service_sent_cannot_drive_the_terminal() -> None:
    terminal = io.StringIO()
    CombinedLog(None, terminal).write("web", "a\x1b[2J\x1b]0;owned\x07b\x08c\x9b1m")
    assert terminal.getvalue().endswith("| ab?c?1m\n")


def test_secrets_are_removed_and_a_closed_terminal_is_no_reason_to_stop(tmp_path: Path) -> None:
    terminal = io.StringIO()
    log = CombinedLog(tmp_path / "log", terminal, redact=lambda text: text.replace("swordfish", "***"))
    terminal.close()
    log.write("web", "password swordfish")
    log.close()
    assert "password ***" in (tmp_path / "log").read_text()


def test_as_json_every_line_is_json_and_json_stays_as_it_is() -> None:
    terminal = io.StringIO()
    log = CombinedLog(None, terminal, as_json=True)
    log.write("postgres", 'LOG:  "ready"')
    log.write("web", '{"event": "x"}')
    first, second = (json.loads(line) for line in terminal.getvalue().splitlines())
    assert (first["process"], first["event"]) == ("postgres", 'LOG:  "ready"')
    assert second == {"event": "x"}


def test_the_file_is_rotated(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(supervisor_log, "FILE_BYTES", 10_000)
    log = CombinedLog(tmp_path / "log", None)
    for n in range(2_000):
        log.write("web", f"line {n} " + "x" * 50)
    log.close()
    files = sorted(p.name for p in tmp_path.iterdir())
    assert files == ["log", "log.1", "log.2", "log.3", "log.4", "log.5"]
    assert sum(p.stat().st_size for p in tmp_path.iterdir()) < 70_000


async def test_lines_are_whole_and_an_endless_one_is_cut() -> None:
    stream = asyncio.StreamReader()
    lines: list[str] = []
    stream.feed_data(b"half")
    reader = asyncio.create_task(copy_lines(stream, lines.append))
    await asyncio.sleep(0)
    stream.feed_data(b" and half\r\n" + b"x" * 40_000 + b"\nlast \xff")
    stream.feed_eof()
    await reader
    assert lines[0] == "half and half"
    assert lines[1].startswith("x" * 100)
    assert lines[1].endswith("(40000 characters)")
    assert lines[2] == "last \ufffd"
