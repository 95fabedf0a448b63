"""Lays a session's bait, and looks whether the gateway has seen it outside."""

from collections.abc import Callable
from pathlib import Path

from domain.ports import SessionFolder
from policy.bait import RANDOM_BYTES, Bait, bait_of

FILE = "bait.json"  # in the session's root, which it cannot see
SEEN = "bait-seen"  # written by the gateway: where


def lay(folder: SessionFolder, random: Callable[[int], bytes]) -> Bait:
    """The session's bait, laid before its first process; a later process has the same.

    Nothing is written into folders in which a session has been: it could have put a link there.
    """
    kept = folder.root / FILE
    if kept.exists():
        return Bait.model_validate_json(kept.read_bytes())
    bait = bait_of(random(RANDOM_BYTES))
    folder.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not folder.claude_config.exists():
        place = folder.claude_config / ".aws"
        place.mkdir(mode=0o700, parents=True)
        folder.claude_config.chmod(0o700)
        (place / "credentials").write_text(bait.file, encoding="ascii")
    kept.write_text(bait.model_dump_json(), encoding="ascii")
    return bait


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
