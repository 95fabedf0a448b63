"""Heartbeats beside a long piece of work, and what a cancellation means."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from temporalio import activity
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.service import RPCError, RPCStatusCode

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


async def leaves_work_running() -> bool:
    """Whether this cancellation is about the worker (shutdown, pause) or this attempt, not about the work."""
    details = activity.cancellation_details()
    if details is None:
        return activity.is_worker_shutdown()
    if details.worker_shutdown or details.paused or details.reset:
        return True
    return (details.not_found or details.timed_out) and not details.cancel_requested and await _another_attempt()


async def _another_attempt() -> bool:
    """Whether the activity goes on without us.

    After a machine slept, or a worker was cut off, the engine has given the work to another attempt, and that one is
    attached to the same process. "Not found" then means us, not the work. Doubt leaves it running: a process has a
    time limit of its own, and the sweep ends what nobody owns.
    """
    info = activity.info()
    try:
        described = (
            await activity.client().get_workflow_handle(info.workflow_id or "", run_id=info.workflow_run_id).describe()
        )
    except RPCError as e:
        return e.status != RPCStatusCode.NOT_FOUND
    stopping = PendingActivityState.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED
    return described.close_time is None and any(
        p.activity_id == info.activity_id and p.state != stopping for p in described.raw_description.pending_activities
    )
