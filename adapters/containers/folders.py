"""The folders of old sessions: transcripts and streams that the record no longer speaks of."""

import asyncio
import shutil
from datetime import UTC, datetime
from pathlib import Path

from domain.ids import SessionId


class SessionFolders:
    """Implements domain.ports.Folders for H/sessions."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def prune(self, before: datetime, keep: frozenset[SessionId]) -> int:
        """Delete folders that nothing was written to since `before`. What cannot be deleted is left for next time."""
        return await asyncio.to_thread(self._prune, before, keep)

    def _prune(self, before: datetime, keep: frozenset[SessionId]) -> int:
        gone = 0
        for folder in sorted(self._root.glob("*")):
            if folder.name in keep or folder.is_symlink() or not folder.is_dir() or _touched(folder) >= before:
                continue
            shutil.rmtree(folder, ignore_errors=True)  # never follows a link out of the folder
            gone += not folder.exists()
        return gone


def _touched(folder: Path) -> datetime:
    """The newest change of the folder and of its processes' files."""
    newest = folder.lstat().st_mtime
    for path in folder.glob("attempts/*/*"):
        newest = max(newest, path.lstat().st_mtime)
    return datetime.fromtimestamp(newest, UTC)
