"""Tells a person when the engine or the record is away: everything else that could tell runs on them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from config.logging import logger

Notify = Callable[[str, str], Awaitable[None]]
Probe = Callable[[], Awaitable[bool]]

log = logger("worker.outage")


@dataclass
class Outage:
    """The state of one server. `observe` is pure: the times come from outside."""

    after_s: float
    since: float | None = None
    told: bool = False

    def observe(self, answers: bool, now: float) -> Literal["", "down", "recovered"]:
        """What should be told now. It stays due until `told` was set to match."""
        if answers:
            self.since = None
            return "recovered" if self.told else ""
        self.since = now if self.since is None else self.since
        return "down" if not self.told and now - self.since >= self.after_s else ""


async def watch(probes: Mapping[str, Probe], notify: Notify, *, after_s: float = 30.0, every_s: float = 2.0) -> None:
    """Look until cancelled. One message per outage and one per recovery; a message that fails is sent again."""
    loop = asyncio.get_running_loop()
    outages = {name: Outage(after_s) for name in probes}
    while True:
        for name, outage in outages.items():
            answers = await probes[name]()
            due = outage.observe(answers, loop.time())
            if due and await _told(notify, name, due, after_s):
                outage.told = due == "down"
        await asyncio.sleep(every_s)


async def _told(notify: Notify, name: str, what: Literal["down", "recovered"], after_s: float) -> bool:
    title, body = words(name, what, after_s)
    try:
        await notify(title, body)
    except Exception as e:  # noqa: BLE001 (whatever a notifier throws, the watch goes on and tries again)
        log.warning("fallback notice not sent", server=name, error=str(e))
        return False
    return True


def words(name: str, what: Literal["down", "recovered"], after_s: float) -> tuple[str, str]:
    """Title and body of a message."""
    if what == "recovered":
        return (
            f"Tiercel: {name} is back",
            f"{name} answers again. Waiting work continues by itself; nothing is repeated.",
        )
    body = (
        f"{name} has not answered for {after_s:.0f} s. Nothing is patrolled, repaired or approved until it is back. "
        "It is being restarted; if this lasts, run `tiercel doctor` and read the log."
    )
    return f"Tiercel: {name} is down", body
