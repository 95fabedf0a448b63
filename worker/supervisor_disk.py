"""Says when the disk under the home runs full: whatever stumbles over it names only its own file."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

from config.logging import logger
from worker.supervisor_outage import Notify

LOW_BYTES = 64 << 20
EVERY_S = 2.0

log = logger("worker.disk")


class Disk:
    """Whether people know that it is full. Full below 64 MB; it has room again only well above that."""

    def __init__(self) -> None:
        self.low = False

    def changed(self, free: int) -> bool:
        """Takes a look's result; gives whether there is something to say."""
        low = free < (2 * LOW_BYTES if self.low else LOW_BYTES)
        changed, self.low = low != self.low, low
        return changed


def words(home: Path, free: int, *, low: bool) -> tuple[str, str]:
    """Title and body of a message."""
    left = f"{free >> 20} MB are left on the disk of {home}"
    if not low:
        return "Tiercel: the disk has room again", f"{left}. Waiting work continues by itself."
    fix = "free space there, or stop Tiercel and move its home (TIERCEL_HOME) to a larger disk"
    return "Tiercel: the disk is full", f"{left}; {fix}. Until then work waits; nothing is repeated."


async def watch(home: Path, say: Callable[[str], None], notify: Notify | None) -> None:
    """Look until cancelled: one line and one message when it runs full, one when there is room again."""
    disk = Disk()
    while True:
        free = shutil.disk_usage(home).free
        if disk.changed(free):
            title, body = words(home, free, low=disk.low)
            say(body)
            if notify is not None:
                await _told(notify, title, body)
        await asyncio.sleep(EVERY_S)


async def _told(notify: Notify, title: str, body: str) -> None:
    try:
        await notify(title, body)
    except Exception as e:  # noqa: BLE001 (whatever a notifier throws, the watch goes on; the line is in the log)
        log.warning("notice about the disk not sent", error=str(e))
