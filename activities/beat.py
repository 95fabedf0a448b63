"""Heartbeats beside a long piece of work, and what a cancellation means."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from temporalio import activity

BEAT_S = 5.0


@asynccontextmanager
async def beating(every_s: float = BEAT_S) -> AsyncGenerator[None, None]:
    """Beat until the block ends. Cancellation arrives only on a beat, so every long activity needs this."""

    async def beat() -> None:
        while True:
            activity.heartbeat()
            await asyncio.sleep(every_s)

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def leaves_work_running() -> bool:
    """Whether this cancellation is about the worker (shutdown, pause), not about the work."""
    details = activity.cancellation_details()
    if details is None:
        return activity.is_worker_shutdown()
    return details.worker_shutdown or details.paused or details.reset
