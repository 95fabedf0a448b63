"""Lays a session's bait, and looks whether the gateway has seen it outside."""

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from domain.ports import SessionFolder
from policy.bait import RANDOM_BYTES, Bait, bait_of

FILE = "bait.json"  # in the session's root, which it cannot see
SEEN = "bait-seen"  # written by the gateway: where


def lay(folder: SessionFolder, random: Callable[[int], bytes]) -> Bait:
    """The session's bait, laid before its first process; a later process has the same.

    Nothing is written into folders in which a session has been: it could have put a link there. Whoever is killed in
    between leaves no bait that nobody looks for: what is kept comes first, and the folder appears with the bait in it.
    """
    kept = folder.root / FILE
    folder.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not kept.exists():
        _keep(kept, bait_of(random(RANDOM_BYTES)))
    bait = Bait.model_validate_json(kept.read_bytes())
    if not folder.claude_config.exists():
        _put(folder, bait)
    return bait


def _keep(kept: Path, bait: Bait) -> None:
    """Whole or not at all, and the first one stays: another worker may begin the same session."""
    number, scratch = tempfile.mkstemp(dir=kept.parent)
    with os.fdopen(number, "w", encoding="ascii") as file:
        file.write(bait.model_dump_json())
    with suppress(FileExistsError):
        kept.hardlink_to(scratch)
    Path(scratch).unlink()


def _put(folder: SessionFolder, bait: Bait) -> None:
    scratch = Path(tempfile.mkdtemp(dir=folder.root))
    (scratch / ".aws").mkdir(mode=0o700)
    (scratch / ".aws" / "credentials").write_text(bait.file, encoding="ascii")
    try:
        scratch.rename(folder.claude_config)
    except OSError:  # somebody else was faster
        shutil.rmtree(scratch)


def laid(folder: SessionFolder) -> tuple[str, ...]:
    """The values of the bait that was laid for this session; none where none was."""
    kept = folder.root / FILE
    return Bait.model_validate_json(kept.read_bytes()).values if kept.exists() else ()


def seen_outside(folder: SessionFolder) -> str:
    """Where the gateway saw it; "" where it did not."""
    try:
        return Path(folder.root / SEEN).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def words(where: str) -> str:
    """What people are told."""
    return (
        f"The bait of this session was seen in {where}: it carried a credential outside that no task needs."
        " Nothing more of it was let out, and the session was stopped. An incident of its own is open."
    )
