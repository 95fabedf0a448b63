"""The schedules that make Tiercel move by itself. Seeded at every start; a change of settings changes them."""

from dataclasses import replace
from datetime import datetime, timedelta

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
from temporalio.service import RPCError, RPCStatusCode

from config.settings import Settings
from domain.engine import (
    ESCALATION,
    PATROL,
    SCHEDULE_LOOK,
    SCHEDULE_PATROL,
    SCHEDULE_UPKEEP,
    TASK_QUEUE_CONTROL,
    UPKEEP,
)
from domain.ids import IncidentId, ServiceId
from domain.incident import Alert, EscalationInput, PatrolInput, Trigger
from domain.work import UpkeepOrder

UPKEEP_EVERY = timedelta(minutes=15)
LOOK_PROMPT = (
    "This is a regular look; no alert caused it. Go through the checks that apply to the declared services and judge"
    " what probes cannot: ages, trends, words in logs. Escalate only for what a person should look at soon, and say why."
)


def patrol_spec(settings: Settings) -> ScheduleSpec:
    """When patrols start: a cron expression in a time zone, or an interval; both with jitter."""
    jitter = timedelta(seconds=settings.jitter_s) or None
    if settings.cron:
        # Temporal keeps only what the expression means; the comment keeps what was written, for people.
        written = f"{settings.cron} # {settings.cron}"
        return ScheduleSpec(cron_expressions=[written], time_zone_name=settings.timezone, jitter=jitter)
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


def look_schedule(settings: Settings, now: datetime) -> Schedule:
    """A regular look by tier 1, for what only a model can judge. It never acts: doubts go to a person."""
    policy = settings.escalation_policy()
    order = EscalationInput(
        incident=IncidentId(""),  # every run names its own
        alert=Alert(service=ServiceId(""), trigger=Trigger.LOOK, summary="regular look", at=now),
        policy=policy.model_copy(update={"tiers": policy.tiers[:1]}),
        prompt=LOOK_PROMPT,
        dry_run=settings.dry_run,
        requested_by="schedule",
    )
    every = timedelta(seconds=settings.look_every_s)
    return Schedule(
        action=ScheduleActionStartWorkflow(
            ESCALATION, order, id="escalation/look", task_queue=TASK_QUEUE_CONTROL, static_summary="regular look"
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=max(timedelta(seconds=10), every)),
    )


def upkeep_schedule(settings: Settings, now: datetime) -> Schedule:
    """Retention, orphans, lost escalations, the daily digest."""
    started = UpkeepOrder(
        retention_days=settings.retention_days, at=now, digest_at=settings.digest_at, timezone=settings.timezone
    )
    return Schedule(
        action=ScheduleActionStartWorkflow(
            UPKEEP, started, id="upkeep", task_queue=TASK_QUEUE_CONTROL, static_summary="upkeep"
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=UPKEEP_EVERY)]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=UPKEEP_EVERY),
    )


async def ensure(client: Client, schedule_id: str, wanted: Schedule, *, trigger: bool) -> None:
    """Create the schedule, or bring an existing one to the wanted form. A pause stays, and so does a skipped time."""
    try:
        await client.create_schedule(schedule_id, wanted, trigger_immediately=trigger)
    except ScheduleAlreadyRunningError:
        handle = client.get_schedule_handle(schedule_id)

        def change(found: ScheduleUpdateInput) -> ScheduleUpdate:
            old = found.description.schedule
            # What is skipped is written in the time zone of the specification: in another one it would be another time.
            same = (old.spec.time_zone_name or "UTC") == (wanted.spec.time_zone_name or "UTC")
            spec = replace(wanted.spec, skip=old.spec.skip if same else [])
            return ScheduleUpdate(Schedule(wanted.action, spec=spec, policy=wanted.policy, state=old.state))

        await handle.update(change)
        if trigger:
            await handle.trigger()


async def remove(client: Client, schedule_id: str) -> None:
    """Delete a schedule that the settings no longer ask for."""
    try:
        await client.get_schedule_handle(schedule_id).delete()
    except RPCError as e:
        if e.status != RPCStatusCode.NOT_FOUND:
            raise


async def seed(client: Client, settings: Settings, now: datetime) -> None:
    """All schedules. The upkeep runs at once, because a start is when something may have been left behind."""
    await ensure(
        client,
        SCHEDULE_PATROL,
        patrol_schedule(settings),
        trigger=False,
    )
    if settings.look_every_s > 0:
        await ensure(client, SCHEDULE_LOOK, look_schedule(settings, now), trigger=False)
    else:
        await remove(client, SCHEDULE_LOOK)
    await ensure(client, SCHEDULE_UPKEEP, upkeep_schedule(settings, now), trigger=True)
