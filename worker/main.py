"""The worker: builds the adapters, gives them to the activities, registers, runs until it is told to stop."""

import asyncio
import signal
import sys
from contextlib import AsyncExitStack
from datetime import timedelta

from temporalio.client import Client
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from adapters.containers.lease import LeaseKeeper
from adapters.database.costs import CostDays
from adapters.database.migrate import check_schema
from adapters.database.pool import Pool
from config import logging as logs
from config import telemetry, temporal
from config.clock import SystemClock
from config.settings import Settings, load
from domain.engine import TASK_QUEUE_CONTROL, TASK_QUEUE_PROBES, TASK_QUEUE_SESSIONS
from domain.errors import FatalError, TiercelError
from policy.redaction import redactor
from worker import beat
from worker.compose import compose
from worker.registry import PASSTHROUGH, WORKFLOWS, Activities
from worker.schedules import UPKEEP_EVERY, seed

GRACE = timedelta(seconds=10)  # a session is handed over within a beat; effects get time to end
BEAT_THROTTLE = timedelta(seconds=5)  # a cancellation arrives on a beat, so beats must not be held back long


def main() -> None:
    """Entry point. A fault of ours is one line and exit code 1."""
    try:
        asyncio.run(run(load()))
    except TiercelError as e:
        sys.stderr.write(f"worker: {e}\n")
        raise SystemExit(1) from e


async def run(settings: Settings) -> None:
    """Until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    redact = redactor(logs.secrets_of(settings))
    logs.configure(settings, "worker", redact=redact)
    traces = telemetry.start("worker", secrets=logs.secrets_of(settings))
    async with AsyncExitStack() as stack:
        stack.callback(traces.stop)
        leases = asyncio.create_task(LeaseKeeper().run(settings.home / "sessions", stop))
        stack.callback(leases.cancel)
        beating = asyncio.create_task(beat.keep(settings.home))
        stack.callback(beating.cancel)
        pool = await stack.enter_async_context(Pool(_database_url(settings)))
        await check_schema(pool)
        if not settings.gateway_url:
            await _count_days(pool, settings.timezone)
        client = await temporal.connect(settings, wait_s=60)
        activities = await compose(settings, pool, client, redact, stack)
        if settings.gateway_url:
            tidying = asyncio.create_task(_keep_tidy(activities, settings.retention_days))
            stack.callback(tidying.cancel)
        else:
            await seed(client, settings, SystemClock().now())
        for worker in workers(client, activities, settings):
            await stack.enter_async_context(worker)
        logs.logger("worker").info(
            "ready", sessions=settings.max_sessions, dry_run=settings.dry_run, scripted=settings.scripted
        )
        await stop.wait()


async def _keep_tidy(activities: Activities, retention_days: int) -> None:
    """The schedule of the upkeep is served where the watching is done, which does not reach this machine's disk."""
    while True:
        try:
            await activities.upkeep.tidy_here(retention_days)
        except (TiercelError, OSError) as e:
            logs.logger("worker").warning("not tidied now, again later", error=str(e)[:300])
        await asyncio.sleep(UPKEEP_EVERY.total_seconds())


def workers(client: Client, activities: Activities, settings: Settings) -> tuple[Worker, ...]:
    """One worker per task queue, so that no kind of work can take the slots of another.

    A machine whose gateway leads to another one only runs sessions: it must neither look nor act there.
    """
    sessions = _sessions(client, activities, settings) if settings.max_sessions else ()
    return sessions if settings.gateway_url else (*_watching(client, activities), *sessions)


def _watching(client: Client, activities: Activities) -> tuple[Worker, ...]:
    sandbox = SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules(*PASSTHROUGH))
    control = Worker(
        client,
        task_queue=TASK_QUEUE_CONTROL,
        workflows=list(WORKFLOWS),
        activities=activities.control(),
        workflow_runner=sandbox,
        max_concurrent_workflow_tasks=20,
        max_concurrent_activities=50,
        graceful_shutdown_timeout=GRACE,
        max_heartbeat_throttle_interval=BEAT_THROTTLE,
    )
    probing = Worker(
        client,
        task_queue=TASK_QUEUE_PROBES,
        activities=activities.probing(),
        max_concurrent_activities=50,
        graceful_shutdown_timeout=timedelta(seconds=2),
        max_heartbeat_throttle_interval=BEAT_THROTTLE,
    )
    return control, probing


def _sessions(client: Client, activities: Activities, settings: Settings) -> tuple[Worker, ...]:
    sessions = Worker(
        client,
        task_queue=TASK_QUEUE_SESSIONS,
        activities=activities.running(),
        max_concurrent_activities=settings.max_sessions,
        graceful_shutdown_timeout=timedelta(seconds=1),
        max_heartbeat_throttle_interval=BEAT_THROTTLE,
    )
    return (sessions,)


async def _count_days(pool: Pool, zone: str) -> None:
    """Spending by the owner's days. Without it pages are slower, which is no reason not to watch anything."""
    try:
        await CostDays(pool).keep(zone)
    except FatalError as e:
        logs.logger("worker").warning("spending is not added up by days", zone=zone, error=str(e))


def _database_url(settings: Settings) -> str:
    if settings.database_url is None:
        raise TiercelError(
            "DATABASE_URL is not set; start everything with `tiercel up`, or give the address of a Postgres"
        )
    return settings.database_url.get_secret_value()
