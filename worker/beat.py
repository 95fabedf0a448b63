"""The worker's sign of life for the supervisor: a file that only a running event loop keeps young.

The engine would go on listing a halted worker among its pollers for minutes.
"""

import asyncio
import time
from pathlib import Path

BEAT_S = 2.0
STALE_S = 10.0  # a loop that is blocked for less is slow, not hung


async def keep(home: Path) -> None:
    """Beat until cancelled."""
    file = _file(home)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    while True:
        file.touch(mode=0o600)
        await asyncio.sleep(BEAT_S)


def young(home: Path) -> bool:
    """Whether the last beat is recent."""
    try:
        return time.time() - _file(home).stat().st_mtime < STALE_S
    except OSError:
        return False


def _file(home: Path) -> Path:
    return home / "run" / "worker.beat"
