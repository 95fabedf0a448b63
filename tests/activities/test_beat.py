"""When the engine gives work to another attempt, the first one lets go of it instead of ending it."""

import asyncio
from datetime import timedelta

import pytest
from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.beat import beating, leaves_work_running
from tests.support.temporal import dev_server

pytestmark = pytest.mark.temporal


@workflow.defn(name="Asleep", sandboxed=False)
class Asleep:
    """One activity whose first attempt is silent for too long."""

    @workflow.run
    async def run(self) -> None:
        """Retry soon."""
        await workflow.execute_activity(
            "sleeps",
            start_to_close_timeout=timedelta(seconds=60),
            heartbeat_timeout=timedelta(seconds=1),
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=100), maximum_attempts=2),
        )


@pytest.mark.parametrize("ended", [False, True])
async def test_an_attempt_that_was_replaced_leaves_the_work_and_one_whose_workflow_is_gone_does_not(
    ended: bool,
) -> None:
    left: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    woken = asyncio.Event()

    @activity.defn(name="sleeps")
    async def sleeps() -> None:
        if activity.info().attempt == 1:
            await woken.wait()  # the machine sleeps: no beat
            try:
                async with beating(0.2):
                    await asyncio.sleep(30)
            except asyncio.CancelledError:
                left.set_result(await leaves_work_running())
                raise
        async with beating(0.2):
            if ended:
                await asyncio.sleep(30)
            await left

    async with (
        dev_server() as (client, _),
        Worker(
            client,
            task_queue="q",
            workflows=[Asleep],
            activities=[sleeps],
            workflow_runner=UnsandboxedWorkflowRunner(),
            max_heartbeat_throttle_interval=timedelta(seconds=0.2),
        ),
    ):
        handle = await client.start_workflow("Asleep", id="a", task_queue="q")
        for _ in range(200):
            pending = (await handle.describe()).raw_description.pending_activities
            if pending and pending[0].attempt == 2:
                break
            await asyncio.sleep(0.1)
        if ended:
            await handle.terminate()
        woken.set()
        assert await asyncio.wait_for(left, 30) is not ended
