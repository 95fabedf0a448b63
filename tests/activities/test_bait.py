"""Bait is laid before a session's first process, and whoever lays it may be killed at every step."""

import os
from pathlib import Path
from typing import Any

import pytest

from activities.bait import laid, lay
from domain.ports import SessionFolder

CALLS = ("mkdir", "open", "write", "link", "rename", "unlink", "chmod")


class KilledError(BaseException):
    """As SIGKILL: nothing that could be done afterwards is done."""


def _killed_at(step: int, patch: pytest.MonkeyPatch) -> None:
    left = [step]

    def counted(real: Any) -> Any:
        def call(*args: Any, **named: Any) -> Any:
            if left[0] <= 0:
                raise KilledError
            left[0] -= 1
            return real(*args, **named)

        return call

    for name in CALLS:
        patch.setattr(os, name, counted(getattr(os, name)))
    patch.setattr(Path, "write_text", counted(Path.write_text))


@pytest.mark.parametrize("step", range(12))
def test_bait_that_lies_in_a_session_is_bait_that_is_looked_for(
    tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = SessionFolder(root=tmp_path / "s")
    with monkeypatch.context() as patch:
        _killed_at(step, patch)
        try:
            lay(folder, os.urandom)
        except KilledError:
            assert step < 9, "it has fewer steps than that"
    again = lay(folder, os.urandom)
    lies = folder.claude_config / ".aws" / "credentials"
    assert laid(folder) == again.values
    assert lies.read_text() == again.file
    assert {p.stat().st_mode & 0o077 for p in (folder.root, folder.claude_config)} == {0}


def test_a_later_process_has_the_same_and_no_folder_of_a_session_is_written_into(tmp_path: Path) -> None:
    folder = SessionFolder(root=tmp_path / "s")
    first = lay(folder, os.urandom)
    (folder.claude_config / ".aws" / "credentials").unlink()
    assert lay(folder, os.urandom) == first
    assert not (folder.claude_config / ".aws" / "credentials").exists()
