"""Renewing the leases of all running sessions: the sign of life that keeps them running."""

import asyncio
import contextlib
import os
import threading
from pathlib import Path

from adapters.containers import attempt, files
from domain.ports import SessionFolder

RENEW_S = 2.0  # runners wait 12 s: a restart of the worker (3 to 8 s) disturbs no session


class LeaseKeeper:
    """Renews from a thread of its own, so that neither a busy event loop nor a full thread pool ends sessions."""

    def __init__(self, renew_s: float = RENEW_S) -> None:
        self._renew_s = renew_s
        self._done: dict[str, int] = {}

    async def run(self, sessions_root: Path, stop: asyncio.Event) -> None:
        """Renew until `stop`. The first renewal happens at once."""
        ended = threading.Event()
        thread = threading.Thread(target=self._loop, args=(sessions_root, ended), name="leases", daemon=True)
        thread.start()
        try:
            await stop.wait()
        finally:
            ended.set()
            await asyncio.to_thread(thread.join)

    def _loop(self, sessions_root: Path, ended: threading.Event) -> None:
        while True:
            # A folder may be deleted under us; the next round comes before any lease runs out.
            with contextlib.suppress(OSError):
                self.renew(sessions_root)
            if ended.wait(self._renew_s):
                return

    def renew(self, sessions_root: Path) -> int:
        """One round. Returns how many sessions run. Old folders cost one look each until they change."""
        running = 0
        for folder in _folders(sessions_root):
            # Deleted under us, or made unreadable by its own session: no other session may end for that.
            with contextlib.suppress(OSError):
                running += self._renew_one(folder)
        return running

    def _renew_one(self, folder: Path) -> int:
        attempts = folder / "attempts"
        change = attempts.stat().st_mtime_ns
        if self._done.get(folder.name) == change:
            return 0
        found = list(attempts.iterdir())
        if any(not (entry / files.EXIT).exists() for entry in found):
            _renew(SessionFolder(root=folder))
            return 1
        if found:  # an empty one gets its first within the same tick of the file system's clock: no change to be seen
            self._done[folder.name] = change
        return 0


def _folders(sessions_root: Path) -> list[Path]:
    try:
        with os.scandir(sessions_root) as entries:
            return [Path(entry.path) for entry in entries if entry.is_dir()]
    except FileNotFoundError:
        return []


def _renew(folder: SessionFolder) -> None:
    attempt.renew_lease(folder)
    attempt.open_socket(folder)
