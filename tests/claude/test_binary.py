"""Which CLI is run: the owner's choice, or the one that the lock file brings."""

from pathlib import Path

import pytest

from config.claude_cli import LOCKED_VERSION, find
from config.settings import Settings
from domain.errors import ConfigurationError


def program(path: Path, words: str) -> Path:
    path.write_text(f"#!/bin/sh\n{words}\n")
    path.chmod(0o755)
    return path


def test_the_locked_cli_is_found_with_the_version_that_was_tested():
    found = find(Settings())
    assert found.path.is_file()
    assert (found.version, found.source) == (LOCKED_VERSION, "lock file")


def test_the_owners_choice_wins_and_is_asked_for_its_version(tmp_path: Path):
    mine = program(tmp_path / "claude", "echo '9.8.7 (Claude Code)'")
    found = find(Settings(claude_bin=mine))
    assert (found.path, found.version, found.source) == (mine, "9.8.7", "TIERCEL_CLAUDE_BIN")


@pytest.mark.parametrize(
    ("words", "reason"),
    [("exit 3", "--version failed"), ("echo hello", "does not answer --version"), (None, "no executable file")],
)
def test_a_wrong_choice_is_refused_with_the_fix(tmp_path: Path, words: str | None, reason: str):
    path = tmp_path / "claude"
    if words:
        program(path, words)
    with pytest.raises(ConfigurationError, match=r"^TIERCEL_CLAUDE_BIN: ") as caught:
        find(Settings(claude_bin=path))
    assert reason in str(caught.value)
