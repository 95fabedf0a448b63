"""The schedules that make Tiercel move by itself. Seeded at every start; a change of settings changes them."""

from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from config.settings import Settings
from domain.engine import PATROL, SCHEDULE_PATROL, SCHEDULE_UPKEEP, TASK_QUEUE_CONTROL, UPKEEP
from domain.incident import PatrolInput
from domain.work import UpkeepOrder

UPKEEP_EVERY = timedelta(minutes=15)


def patrol_spec(settings: Settings) -> ScheduleSpec:
    """When patrols start: a cron expression in a time zone, or an interval; both with jitter."""
    jitter = timedelta(seconds=settings.jitter_s) or None
    if settings.cron:
        return ScheduleSpec(cron_expressions=[settings.cron], time_zone_name=settings.timezone, jitter=jitter)
    return ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(seconds=settings.interval_s))], jitter=jitter)


def patrol_schedule(settings: Settings) -> Schedule:
    """One patrol at a time; what was missed for longer than two intervals stays missed."""
    order = PatrolInput(
        confirm_after_s=settings.confirm_after_s, policy=settings.escalation_policy(), dry_run=settings.dry_run
    )
    window = timedelta(seconds=max(10, 2 * settings.interval_s))
    return Schedule(
        action=ScheduleActionStartWorkflow(
            PATROL, order, id="patrol", task_queue=TASK_QUEUE_CONTROL, static_summary="patrol"
        ),
        spec=patrol_spec(settings),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=window),
    )


def upkeep_schedule(settings: Settings, started: UpkeepOrder) -> Schedule:
    """Retention, orphans, lost escalations."""
    del settings
    return Schedule(
        action=ScheduleActionStartWorkflow(
            UPKEEP, started, id="upkeep", task_queue=TASK_QUEUE_CONTROL, static_summary="upkeep"
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=UPKEEP_EVERY)]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=UPKEEP_EVERY),
    )


async def ensure(client: Client, schedule_id: str, wanted: Schedule, memo: dict[str, str], *, trigger: bool) -> None:
    """Create the schedule, or bring an existing one to the wanted form without unpausing it."""
    try:
        await client.create_schedule(schedule_id, wanted, memo=memo, trigger_immediately=trigger)
    except ScheduleAlreadyRunningError:
        handle = client.get_schedule_handle(schedule_id)

        def change(found: ScheduleUpdateInput) -> ScheduleUpdate:
            return ScheduleUpdate(
                schedule=Schedule(
                    wanted.action, spec=wanted.spec, policy=wanted.policy, state=found.description.schedule.state
                )
            )

        await handle.update(change)
        if trigger:
            await handle.trigger()


async def seed(client: Client, settings: Settings, upkeep: UpkeepOrder) -> None:
    """All schedules. The upkeep runs at once, because a start is when something may have been left behind."""
    await ensure(
        client,
        SCHEDULE_PATROL,
        patrol_schedule(settings),
        {"cron": settings.cron, "every_s": str(settings.interval_s)},
        trigger=False,
    )
    await ensure(
        client, SCHEDULE_UPKEEP, upkeep_schedule(settings, upkeep), {"every_s": str(UPKEEP_EVERY.seconds)}, trigger=True
    )
