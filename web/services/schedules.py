"""What starts by itself and when: read from Temporal, changed there, every change in the audit."""

import asyncio
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim

from adapters.engine.schedules import TemporalSchedules
from adapters.engine.updates import WorkflowGoneError
from config.settings import Settings
from domain.engine import SCHEDULE_LOOK, SCHEDULE_PATROL, SCHEDULE_UPKEEP
from domain.errors import EngineUnavailableError
from domain.ports import Clock, IncidentRecords
from domain.schedule import ScheduleState
from web.formats import duration, money
from web.services.actions import Act, Actor
from web.services.engine_link import EngineLink

MOST_RUNS = 50  # of one backfill
LONGEST = timedelta(days=31)  # of one backfill
_GLANCE_S = 1.5  # the overview does not wait longer
_UNITS = {60.0: "minute", 3600.0: "hour", 86_400.0: "day"}
PURPOSES = {
    SCHEDULE_PATROL: "Probes every service. Asks no model unless something is wrong.",
    SCHEDULE_LOOK: "Lets a session of tier 1 judge what probes cannot. Every run costs model tokens.",
    SCHEDULE_UPKEEP: "Deletes what is too old, ends what was left behind, sends the daily digest.",
}
OVERLAPS = {
    "skip": "While one runs, no second one starts.",
    "buffer_one": "While one runs, one more waits for its end.",
    "buffer_all": "While one runs, all others wait for its end.",
    "cancel_other": "A new one cancels the one that runs.",
    "terminate_other": "A new one ends the one that runs at once.",
    "allow_all": "Several may run at the same time.",
}


@dataclass(frozen=True)
class NextPatrol:
    """When the next patrol starts. `known` is False where Temporal did not say."""

    known: bool
    at: datetime | None = None
    paused: bool = False
    note: str = ""


@dataclass(frozen=True)
class Backfill:
    """What a backfill would run. `wrong` says why it is not offered."""

    times: tuple[datetime, ...] = ()
    wrong: str = ""
    cost: str = ""  # a warning where runs cost money


class Schedules:
    """Reads and acts. Raises EngineUnavailableError where Temporal is away; a refusal is an `Act`."""

    def __init__(
        self,
        schedules: TemporalSchedules,
        engine: EngineLink,
        records: IncidentRecords,
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._schedules = schedules
        self._engine = engine
        self._records = records
        self._clock = clock
        self._settings = settings

    # ------------------------------------------------------------ reading

    async def all(self) -> tuple[ScheduleState, ...]:
        """Every schedule of ours."""
        await self._engine.required()
        return await self._schedules.all()

    async def one(self, schedule: str) -> ScheduleState | None:
        """One of them."""
        await self._engine.required()
        return await self._schedules.one(schedule)

    async def next_patrol(self) -> NextPatrol:
        """For the overview, which also shows without Temporal."""
        if not await self._engine.alive():
            return NextPatrol(known=False)
        try:
            async with asyncio.timeout(_GLANCE_S):
                found = await self._schedules.one(SCHEDULE_PATROL, runs=0)
        except (EngineUnavailableError, TimeoutError):
            return NextPatrol(known=False)
        if found is None:
            return NextPatrol(known=True)
        return NextPatrol(True, found.fires[0] if found.fires else None, found.paused, found.note)

    async def preview(self, schedule: ScheduleState, begin: datetime, end: datetime) -> Backfill:
        """What a backfill of [begin, end] would run; nothing is started."""
        wrong = self._wrong_range(begin, end)
        if wrong:
            return Backfill(wrong=wrong)
        times = await self._schedules.matching(schedule.id, begin, end)
        if not times:
            return Backfill(wrong="Nothing was due in this time.")
        if len(times) > MOST_RUNS:
            return Backfill(
                wrong=f"{len(times)} runs were due in this time; at most {MOST_RUNS} are started at once. Choose a shorter one."
            )
        cost = ""
        if schedule.id == SCHEDULE_LOOK:
            most = self._settings.tiers[0].budget_usd
            cost = (
                f"Every run is a session of its own: at most {money(most)} each, {money(most * len(times))} together."
            )
        return Backfill(times=times, cost=cost)

    def _wrong_range(self, begin: datetime, end: datetime) -> str:
        if begin >= end:
            return "The beginning must be before the end."
        if end > self._clock.now():
            return "The end is in the future; the schedule itself will run that."
        return "A backfill reaches over at most 31 days." if end - begin > LONGEST else ""

    # ------------------------------------------------------------ acting

    async def pause(self, schedule: str, note: str, actor: Actor) -> Act:
        """Nothing starts by this schedule until somebody resumes it."""
        if not note.strip():
            return Act(accepted=False, message="Say why it is paused; the next person reads it.")
        try:
            await self._schedules.pause(schedule, f"{note.strip()} ({actor.name})")
        except WorkflowGoneError:
            return _unknown(schedule)
        await self._audit(actor, "schedule.paused", schedule, {"note": note.strip()})
        return Act(accepted=True, message=f"{schedule} is paused. Nothing starts by itself until you resume it.")

    async def resume(self, schedule: str, actor: Actor) -> Act:
        """It goes on with its next time."""
        try:
            await self._schedules.resume(schedule, f"resumed by {actor.name}")
        except WorkflowGoneError:
            return _unknown(schedule)
        await self._audit(actor, "schedule.resumed", schedule, {})
        return Act(accepted=True, message=f"{schedule} goes on{await self._then(schedule)}.")

    async def skip(self, schedule: str, at: datetime, actor: Actor) -> Act:
        """Leave out the next time, the one that the person saw."""
        before = await self._schedules.one(schedule, runs=0)
        if before is None:
            return _unknown(schedule)
        if not before.fires or before.fires[0] != at:
            return Act(accepted=False, message="That is no longer the next time. Look again; nothing was changed.")
        await self._schedules.leave_out(schedule, at)
        after = await self._schedules.one(schedule, runs=0)
        if after is None or at in after.fires:
            return Act(
                accepted=False, message="Temporal kept this time; nothing was skipped. Pause the schedule instead."
            )
        await self._audit(actor, "schedule.skipped", schedule, {"at": at.isoformat()})
        return Act(accepted=True, message=f"Skipped{await self._then(schedule)}. You can take it back until then.")

    async def restore(self, schedule: str, at: datetime, actor: Actor) -> Act:
        """Take back a skip."""
        try:
            await self._schedules.restore(schedule, at)
        except WorkflowGoneError:
            return _unknown(schedule)
        await self._audit(actor, "schedule.restored", schedule, {"at": at.isoformat()})
        return Act(accepted=True, message=f"It is back{await self._then(schedule)}.")

    async def run(self, schedule: str, actor: Actor) -> Act:
        """One run now, under the schedule's own rule for overlaps."""
        try:
            await self._schedules.trigger(schedule)
        except WorkflowGoneError:
            return _unknown(schedule)
        await self._audit(actor, "schedule.triggered", schedule, {})
        return Act(accepted=True, message=f"{schedule} was started. One that runs already is not doubled.")

    async def backfill(self, schedule: str, begin: datetime, end: datetime, seen: int, actor: Actor) -> Act:
        """Run what was due in [begin, end], one after the other; `seen` is the number of runs that was shown."""
        found = await self._schedules.one(schedule, runs=0)
        if found is None:
            return _unknown(schedule)
        shown = await self.preview(found, begin, end)
        if shown.wrong:
            return Act(accepted=False, message=shown.wrong)
        if len(shown.times) != seen:
            return Act(accepted=False, message=f"It would be {len(shown.times)} runs now, not {seen}. Look again.")
        await self._schedules.backfill(schedule, begin, end)
        what: dict[str, object] = {"from": begin.isoformat(), "to": end.isoformat(), "runs": seen}
        await self._audit(actor, "schedule.backfilled", schedule, what)
        return Act(accepted=True, message=f"{seen} {'run' if seen == 1 else 'runs'} of {schedule} will be made up for.")

    async def _then(self, schedule: str) -> str:
        found = await self._schedules.one(schedule, runs=0)
        if found is None or not found.fires:
            return ""
        return f"; next at {found.fires[0].astimezone(ZoneInfo(found.zone)):%Y-%m-%d %H:%M:%S %Z}"

    async def _audit(self, actor: Actor, action: str, schedule: str, detail: dict[str, object]) -> None:
        await self._records.audit(uuid.uuid4().hex, self._clock.now(), actor.kind, actor.name, action, schedule, detail)


def when(state: ScheduleState) -> str:
    """The specification in plain words."""
    later = f", up to {duration(state.jitter_s)} later by chance" if state.jitter_s else ""
    if state.every_s:
        return f"Every {_UNITS.get(state.every_s, duration(state.every_s))}{later}"
    if not state.cron:
        return "As its specification in Temporal says"
    _, _, day, _, weekday = state.cron.split()
    if day != "*" and weekday != "*":  # cron takes either of them, Temporal wants both
        return f"Where day of month {day} and weekday {weekday} both match, {state.zone} time{later}"
    said = CronSim(state.cron, datetime(2026, 1, 1, tzinfo=UTC)).explain()
    return f"{said}, {state.zone} time{later}"


def raw(state: ScheduleState) -> str:
    """The specification as it was written."""
    return state.cron or (f"every {state.every_s:g} s" if state.every_s else "only in Temporal")


def purpose(state: ScheduleState) -> str:
    """What a run does."""
    return PURPOSES.get(state.id, f"Starts {state.workflow}.")


def overlap(state: ScheduleState) -> str:
    """What happens when one still runs."""
    return OVERLAPS.get(state.overlap, state.overlap)


def _unknown(schedule: str) -> Act:
    return Act(
        accepted=False,
        message=f"There is no schedule {schedule} in Temporal; the worker makes its schedules when it starts. Is it running?",
    )
