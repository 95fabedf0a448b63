"""The schedules, read from Temporal and changed there. Nothing here is kept twice."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from cronsim import CronSim
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.workflowservice.v1 import ListScheduleMatchingTimesRequest
from temporalio.client import (
    Client,
    ScheduleActionExecutionStartWorkflow,
    ScheduleActionResult,
    ScheduleActionStartWorkflow,
    ScheduleBackfill,
    ScheduleCalendarSpec,
    ScheduleDescription,
    ScheduleOverlapPolicy,
    ScheduleRange,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.service import RPCError, RPCStatusCode

from adapters.engine.updates import ClientSource, WorkflowGoneError, client_source, patiently
from domain.engine import SCHEDULE_LOOK, SCHEDULE_PATROL, SCHEDULE_UPKEEP, TASK_QUEUE_CONTROL
from domain.errors import FatalError
from domain.schedule import ScheduledRun, ScheduleState

T = TypeVar("T")
OURS = (SCHEDULE_PATROL, SCHEDULE_LOOK, SCHEDULE_UPKEEP)
MOST = 50  # schedules on one page
RUNS = 5
_LEFT_OUT = "tiercel: left out by a person"


class TemporalSchedules:
    """Reads and changes. Raises EngineUnavailableError where Temporal is away, WorkflowGoneError for an unknown id."""

    def __init__(self, client: Client | ClientSource, patience_s: float) -> None:
        self._client = client_source(client)
        self._patience_s = patience_s

    async def all(self) -> tuple[ScheduleState, ...]:
        """Every schedule that starts workflows of ours, the known ones first."""

        async def names() -> list[str]:
            found: list[str] = []
            async for listed in await (await self._client()).list_schedules():
                found.append(listed.id)
                if len(found) >= MOST:
                    break
            return found

        # The list comes from an index that lags behind; ours are asked for by name.
        ids = dict.fromkeys((*OURS, *sorted(await self._call(names))))
        states = await asyncio.gather(*(self.one(schedule) for schedule in ids))
        return tuple(s for s in states if s is not None)

    async def one(self, schedule: str, runs: int = RUNS) -> ScheduleState | None:
        """One schedule with its newest runs; None where there is none, or it is not ours."""
        try:
            found = await self._call(lambda: self._describe(schedule))
        except WorkflowGoneError:
            return None
        action = found.schedule.action
        if not isinstance(action, ScheduleActionStartWorkflow) or action.task_queue != TASK_QUEUE_CONTROL:
            return None
        newest = sorted(found.info.recent_actions, key=lambda a: a.started_at, reverse=True)[:runs]
        started = await asyncio.gather(*(self._run(a) for a in newest))
        return _state(found, action, tuple(run for run in started if run is not None))

    async def pause(self, schedule: str, note: str) -> None:
        """It starts nothing until it is resumed."""
        await self._act(schedule, lambda c: c.get_schedule_handle(schedule).pause(note=note))

    async def resume(self, schedule: str, note: str) -> None:
        """It goes on with its next time; what was due while it was paused stays undone."""
        await self._act(schedule, lambda c: c.get_schedule_handle(schedule).unpause(note=note))

    async def trigger(self, schedule: str) -> None:
        """Start it now, under its own rule for overlaps."""
        await self._act(schedule, lambda c: c.get_schedule_handle(schedule).trigger())

    async def leave_out(self, schedule: str, at: datetime) -> None:
        """Exclude one time from the specification; times that have passed are cleared away. `restore` undoes it."""
        state = await self.one(schedule, runs=0)
        if state is None:
            raise WorkflowGoneError(f"there is no schedule {schedule}")
        due = _due(state, at)
        await self._change_left_out(schedule, lambda kept: [*(k for k in kept if k != due), due])

    async def restore(self, schedule: str, at: datetime) -> None:
        """Take back `leave_out`."""
        await self._change_left_out(schedule, lambda kept: [k for k in kept if k != at])

    async def matching(self, schedule: str, begin: datetime, end: datetime) -> tuple[datetime, ...]:
        """The times of a schedule in [begin, end], without those left out."""
        first = begin - timedelta(milliseconds=1)  # the server takes the beginning as exclusive

        async def call() -> tuple[datetime, ...]:
            client = await self._client()
            request = ListScheduleMatchingTimesRequest(
                namespace=client.namespace, schedule_id=schedule, start_time=_stamp(first), end_time=_stamp(end)
            )
            answer = await client.workflow_service.list_schedule_matching_times(request)
            return tuple(t.ToDatetime(tzinfo=UTC) for t in answer.start_time)

        return await self._call(call)

    async def backfill(self, schedule: str, begin: datetime, end: datetime) -> None:
        """Run what was due in [begin, end], one after the other."""
        wanted = ScheduleBackfill(start_at=begin, end_at=end, overlap=ScheduleOverlapPolicy.BUFFER_ALL)
        # One attempt: a backfill whose answer was lost would run twice.
        client = await self._call(self._client)
        try:
            await client.get_schedule_handle(schedule).backfill(wanted)
        except RPCError as e:
            if e.status == RPCStatusCode.NOT_FOUND:
                raise WorkflowGoneError(e.message) from e
            raise FatalError(
                f"Temporal did not confirm the backfill ({e.message}); look at the runs below before you ask again"
            ) from e

    async def _describe(self, schedule: str) -> ScheduleDescription:
        return await (await self._client()).get_schedule_handle(schedule).describe()

    async def _run(self, result: ScheduleActionResult) -> ScheduledRun | None:
        action = result.action
        if not isinstance(action, ScheduleActionExecutionStartWorkflow):
            return None
        run = ScheduledRun(
            due=result.scheduled_at,
            started=result.started_at,
            workflow_id=action.workflow_id,
            run_id=action.first_execution_run_id,
        )

        async def call() -> ScheduledRun:
            handle = (await self._client()).get_workflow_handle(run.workflow_id, run_id=run.run_id)
            found = await handle.describe()
            status = found.status.name.lower() if found.status else "gone"
            return run.model_copy(update={"status": status, "ended": found.close_time})

        try:
            return await self._call(call)
        except WorkflowGoneError:
            return run

    async def _change_left_out(self, schedule: str, change: Callable[[list[datetime]], list[datetime]]) -> None:
        now = datetime.now(UTC)

        def update(found: ScheduleUpdateInput) -> ScheduleUpdate:
            wanted = found.description.schedule
            zone = ZoneInfo(wanted.spec.time_zone_name or "UTC")
            foreign = [s for s in wanted.spec.skip if s.comment != _LEFT_OUT]
            kept = [at for at in left_out(wanted.spec.skip, zone) if at > now]
            wanted.spec.skip = [*foreign, *(_calendar(at, zone) for at in change(kept))]
            return ScheduleUpdate(schedule=wanted)

        await self._act(schedule, lambda c: c.get_schedule_handle(schedule).update(update))

    async def _act(self, schedule: str, act: Callable[[Client], Awaitable[None]]) -> None:
        if await self.one(schedule, runs=0) is None:
            raise WorkflowGoneError(f"there is no schedule {schedule}")

        async def call() -> None:
            await act(await self._client())

        await self._call(call)

    async def _call(self, call: Callable[[], Awaitable[T]]) -> T:
        return await patiently(call, self._patience_s)


def left_out(skip: Sequence[ScheduleCalendarSpec], zone: ZoneInfo) -> list[datetime]:
    """The single times that people left out, in UTC."""
    return sorted(
        datetime(
            s.year[0].start,
            s.month[0].start,
            s.day_of_month[0].start,
            s.hour[0].start,
            s.minute[0].start,
            s.second[0].start,
            tzinfo=zone,
        ).astimezone(UTC)
        for s in skip
        if s.comment == _LEFT_OUT
    )


def _calendar(at: datetime, zone: ZoneInfo) -> ScheduleCalendarSpec:
    local = at.astimezone(zone)

    def only(value: int) -> list[ScheduleRange]:
        return [ScheduleRange(value)]

    return ScheduleCalendarSpec(
        second=only(local.second),
        minute=only(local.minute),
        hour=only(local.hour),
        day_of_month=only(local.day),
        month=only(local.month),
        year=only(local.year),
        comment=_LEFT_OUT,
    )


def _due(state: ScheduleState, at: datetime) -> datetime:
    """The time of the specification behind a shown one, which may be later by the random delay."""
    if state.every_s:
        return datetime.fromtimestamp(at.timestamp() // state.every_s * state.every_s, UTC)
    if state.cron and state.jitter_s:
        local = at.astimezone(ZoneInfo(state.zone)) + timedelta(seconds=1)
        return next(CronSim(state.cron, local, reverse=True)).astimezone(UTC)
    return at.replace(microsecond=0)


def _state(
    found: ScheduleDescription, action: ScheduleActionStartWorkflow, runs: tuple[ScheduledRun, ...]
) -> ScheduleState:
    schedule, info = found.schedule, found.info
    spec = schedule.spec
    zone = spec.time_zone_name or "UTC"
    return ScheduleState(
        id=found.id,
        workflow=str(action.workflow),
        cron=(spec.calendars[0].comment or "") if spec.calendars else "",  # where worker/schedules.py put it
        every_s=spec.intervals[0].every.total_seconds() if spec.intervals else 0.0,
        jitter_s=spec.jitter.total_seconds() if spec.jitter else 0.0,
        zone=zone,
        paused=schedule.state.paused,
        note=schedule.state.note or "",
        next=tuple(info.next_action_times),
        left_out=tuple(at for at in left_out(spec.skip, ZoneInfo(zone)) if at > datetime.now(UTC)),
        runs=runs,
        running=len(info.running_actions),
        overlap=schedule.policy.overlap.name.lower(),
        catchup_s=(schedule.policy.catchup_window or timedelta(days=365)).total_seconds(),  # unset: the server's year
        missed=info.num_actions_missed_catchup_window,
        overlapped=info.num_actions_skipped_overlap,
    )


def _stamp(at: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp
