"""What reaches a terminal, a pipe and a program."""

import asyncio
import json
import os
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.output import Format, ago, one, plain, rows, safe
from domain.ids import ServiceId
from domain.ledger import Journal
from tests.support.commands import TIERCEL, Shell

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HOSTILE = "ok\x1b[31mred\x1b]0;title\x07\x1b[2J\x9b1mx\r\x08\x00 end"


def test_what_a_service_or_a_model_says_cannot_move_the_cursor() -> None:
    assert safe(HOSTILE) == "okred1mx end"
    assert safe("a\tb\nc") == "a\tb\nc"


@given(st.text())
def test_no_control_is_left_in_any_text(text: str) -> None:
    left = {c for c in safe(text) if (ord(c) < 32 and c not in "\t\n") or 0x7F <= ord(c) < 0xA0}
    assert not left


def test_a_pipe_gets_one_line_per_row_however_long_and_whatever_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    rows(Format.TEXT, [1], ("ID", "WHY"), [["a", "two\nlines " + "x" * 300], ["longer", HOSTILE]], "nothing")
    said = capsys.readouterr().out
    assert said.splitlines() == ["ID      WHY", "a       two lines " + "x" * 300, "longer  okred1mx end"]


def test_an_empty_list_is_a_sentence_for_people_and_a_list_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    rows(Format.TEXT, [], ("ID",), [], "Nothing yet.")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "Nothing yet.\n")
    rows(Format.JSON, [], ("ID",), [], "Nothing yet.")
    assert json.loads(capsys.readouterr().out) == []
    rows(Format.JSONL, [], ("ID",), [], "Nothing yet.")
    assert capsys.readouterr().out == ""


def test_json_keeps_every_letter_and_jsonl_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"text": HOSTILE + "\ngrün " + "x" * 5000, "at": NOW, "list": (1, None, True)}
    for form in (Format.JSON, Format.JSONL):
        one(form, value, "text")
        said = capsys.readouterr().out
        assert json.loads(said) == {"text": value["text"], "at": NOW.isoformat(), "list": [1, None, True]}
        assert "\x1b" not in said
    assert said.count("\n") == 1


def test_values_of_ours_are_shown_with_their_own_fields() -> None:
    journal = Journal(service=ServiceId("local/web"))
    assert plain({"j": journal})["j"]["service"] == "local/web"
    assert plain({1, 2} - {2}) == "{1}"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s ago"),
        (59, "59 s ago"),
        (60, "1 min ago"),
        (7200, "2 h ago"),
        (172_800, "2 d ago"),
        (-90, "2 min from now"),
    ],
)
def test_times_are_said_as_people_say_them(seconds: float, words: str) -> None:
    assert ago(NOW - timedelta(seconds=seconds), NOW) == words


def test_no_time_and_no_end_of_time_are_never() -> None:
    assert ago(None, NOW) == "never"
    assert ago(datetime.max.replace(tzinfo=UTC), NOW) == "never"


async def test_a_reader_that_goes_away_ends_the_command_quietly(household: Shell) -> None:
    process = await asyncio.create_subprocess_shell(
        f"{TIERCEL} logs inc_90be77aa-paperless | head -n 1",
        env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **household.environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert len(out.splitlines()) == 1
    assert b"Traceback" not in err
    assert b"BrokenPipe" not in err
