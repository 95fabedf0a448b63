"""Follows one process of a session to its end: copies what it says, and ends it where it only seems to work."""

import asyncio

from temporalio import activity

from activities.bait import seen_outside
from activities.output import OutputCopy
from activities.watchdog import Watchdog
from domain.ports import Clock, EndReason, Engine, ExitState, Handle

IDLE_S = 0.15
BUSY_S = 0.02


async def follow(engine: Engine, handle: Handle, copy: OutputCopy, clock: Clock) -> ExitState:
    """After the exit all output is on disk, so one more read until it is empty loses nothing."""
    watchdog = Watchdog(clock.now())
    while True:
        exit_state = await engine.exited(handle)
        read_any = False
        while data := await engine.read(handle, copy.offset):
            await copy.feed(data)
            read_any = True
        await copy.flush_if_due()
        if exit_state is not None:
            await copy.finish()
            return exit_state
        if seen_outside(handle.folder):
            return await _end(engine, handle, copy, "stopped")
        fault = watchdog.look(clock.now(), spoke=read_any, finished=copy.reader.result is not None)
        if fault:
            return await _end(engine, handle, copy, fault)
        await asyncio.sleep(BUSY_S if read_any else IDLE_S)


async def _end(engine: Engine, handle: Handle, copy: OutputCopy, fault: EndReason) -> ExitState:
    """A process that lingered after its result has done its work; a silent one has failed."""
    activity.logger.warning("session %s is ended: %s", handle.session, fault)
    ended = await engine.stop(handle, reason=fault)
    while data := await engine.read(handle, copy.offset):
        await copy.feed(data)
    await copy.finish()
    return ended
