"""What must be done regularly so that nothing piles up and nobody is forgotten."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from temporalio import activity

from activities.beat import beating
from activities.errors import mapped
from domain.action import Action, ActionState
from domain.errors import TransientError
from domain.ids import IncidentId, SessionId
from domain.incident import ApprovalState, IncidentState
from domain.notice import Notice
from domain.ports import Clock, DoorList, Engine, Folders, IncidentRecords, MemoryRecords, UpkeepRecords
from domain.work import UpkeepOrder, UpkeepReport
from policy import approvals, notices

LOST = "the workflow engine lost this escalation; nothing more will be done for it"


class UpkeepActivities:
    """Retention, orphans, the digest, and incidents whose workflow is gone."""

    def __init__(
        self,
        records: UpkeepRecords,
        incidents: IncidentRecords,
        engines: tuple[Engine, ...],
        workflow_runs: Callable[[str], Awaitable[bool]],
        clock: Clock,
        doors: DoorList | None = None,
        folders: Folders | None = None,
        memories: MemoryRecords | None = None,
    ) -> None:
        self._records = records
        self._incidents = incidents
        self._engines = engines
        self._workflow_runs = workflow_runs
        self._clock = clock
        self._doors = doors
        self._folders = folders
        self._memories = memories

    @activity.defn
    @mapped
    async def prune(self, order: UpkeepOrder) -> UpkeepReport:
        """Delete what is older than the retention, in the record and on disk."""
        before = order.at - timedelta(days=order.retention_days)
        async with beating():
            pruned = await self._records.prune(before)
            if self._folders is not None:
                alive = frozenset(await self._records.running_sessions())
                pruned = {**pruned, "session folders": await self._folders.prune(before, alive)}
            if self._memories is not None:
                pruned = {**pruned, "faded memories": await self._memories.weed(self._clock.now())}
        return UpkeepReport(pruned=pruned)

    @activity.defn
    @mapped
    async def sweep_orphans(self) -> UpkeepReport:
        """End processes and containers, and close doors, of sessions that nobody owns any more."""
        async with beating():
            opened = await self._opened()  # before the list of who is alive: a door that opens now is not in it
            await self._end_lost_sessions()
            swept = await self._sweep(opened)
        return UpkeepReport(swept=swept)

    async def tidy_here(self, retention_days: int) -> None:
        """On a machine that only runs sessions: end and delete here what the upkeep elsewhere cannot see.

        No activity: every such machine does it by itself.
        """
        await self._sweep(await self._opened())
        if self._folders is not None:
            before = self._clock.now() - timedelta(days=retention_days)
            await self._folders.prune(before, frozenset(await self._records.running_sessions()))

    async def _sweep(self, opened: tuple[SessionId, ...]) -> int:
        alive = frozenset(await self._records.running_sessions())
        swept = 0
        for engine in self._engines:
            swept += len(await engine.sweep(alive))
        for session in opened:
            if session not in alive and self._doors is not None:
                await self._doors.close(session)
                swept += 1
        return swept

    async def _opened(self) -> tuple[SessionId, ...]:
        try:
            return await self._doors.opened() if self._doors is not None else ()
        except TransientError as e:
            activity.logger.warning("doors are not swept now: %s", e)
            return ()

    async def _end_lost_sessions(self) -> None:
        """A session that the record calls running although its workflow is gone would be spared by every sweep."""
        for session, attempt, workflow_id in await self._records.open_sessions():
            if not await self._workflow_runs(workflow_id):
                await self._records.session_lost(session, attempt, self._clock.now())

    @activity.defn
    @mapped
    async def find_interrupted(self) -> tuple[Notice, ...]:
        """Incidents that the record holds open although the engine lost their workflow: close them, tell the owner."""
        found: list[Notice] = []
        opened = await self._records.open_incidents()
        newest = {workflow_id: incident for incident, workflow_id in opened}  # in order of opening
        for incident, workflow_id in opened:
            # A later incident of the same service has taken over the workflow's id.
            if newest[workflow_id] == incident and await self._workflow_runs(workflow_id):
                continue
            now = self._clock.now()
            begun = await self._withdraw(incident, now)
            await self._incidents.incident_state(incident, IncidentState.INTERRUPTED, 0, LOST, now)
            found.append(notices.interrupted(incident, LOST, begun))
        return tuple(found)

    async def _withdraw(self, incident: IncidentId, now: datetime) -> tuple[Action, ...]:
        """Nobody would carry out what is approved now. Gives the actions that were begun and never settled."""
        for approval in await self._records.approvals_of(incident):
            if approval.state == ApprovalState.PENDING:
                await self._incidents.save_approval(approvals.void(approval, now, LOST))
        begun: list[Action] = []
        for action in await self._records.actions_of(incident):
            if action.state in {ActionState.PERFORMING, ActionState.UNKNOWN}:
                begun.append(action)
            elif action.state in {ActionState.REQUESTED, ActionState.PERMITTED, ActionState.WAITING}:
                over = {"state": ActionState.EXPIRED, "message": LOST, "finished_at": now}
                await self._incidents.save_action(action.model_copy(update=over))
        return tuple(begun)

    @activity.defn
    @mapped
    async def write_digest(self, order: UpkeepOrder) -> Notice | None:
        """The day's digest, once its local time has come; None before it, and where nothing was watched yet."""
        if not order.digest_at:
            return None
        local = self._clock.now().astimezone(ZoneInfo(order.timezone))
        hour, minute = (int(part) for part in order.digest_at.split(":"))
        until = local.replace(hour=hour, minute=minute, second=0, microsecond=0)
        if local < until:
            return None
        counts = await self._records.digest(until - timedelta(days=1), until)
        if not counts.patrols and not counts.watched_before:
            return None
        return notices.digest(f"{until:%Y-%m-%d}", counts)
