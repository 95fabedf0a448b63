"""What must be done regularly so that nothing piles up and nobody is forgotten."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from temporalio import activity

from activities.beat import beating
from activities.errors import mapped
from domain.incident import IncidentState
from domain.notice import Notice, NoticeKind
from domain.ports import Clock, Engine, IncidentRecords, UpkeepRecords
from domain.work import UpkeepOrder, UpkeepReport


class UpkeepActivities:
    """Retention, the orphan sweep, and incidents whose workflow is gone."""

    def __init__(
        self,
        records: UpkeepRecords,
        incidents: IncidentRecords,
        engines: tuple[Engine, ...],
        workflow_runs: Callable[[str], Awaitable[bool]],
        clock: Clock,
    ) -> None:
        self._records = records
        self._incidents = incidents
        self._engines = engines
        self._workflow_runs = workflow_runs
        self._clock = clock

    @activity.defn
    @mapped
    async def prune(self, order: UpkeepOrder) -> UpkeepReport:
        """Delete what is older than the retention."""
        async with beating():
            pruned = await self._records.prune(order.at - timedelta(days=order.retention_days))
        return UpkeepReport(pruned=pruned)

    @activity.defn
    @mapped
    async def sweep_orphans(self) -> UpkeepReport:
        """End processes and containers of sessions that nobody owns any more."""
        alive = frozenset(await self._records.running_sessions())
        swept = 0
        async with beating():
            for engine in self._engines:
                swept += len(await engine.sweep(alive))
        return UpkeepReport(swept=swept)

    @activity.defn
    @mapped
    async def find_interrupted(self) -> tuple[Notice, ...]:
        """Incidents that the record holds open although the engine lost their workflow: close them, tell the owner."""
        notices: list[Notice] = []
        for incident, workflow_id in await self._records.open_incidents():
            if await self._workflow_runs(workflow_id):
                continue
            now = self._clock.now()
            summary = "the workflow engine lost this escalation; nothing more will be done for it"
            await self._incidents.incident_state(incident, IncidentState.INTERRUPTED, 0, summary, now)
            notices.append(
                Notice(
                    key=f"{incident}/interrupted",
                    kind=NoticeKind.BROKEN,
                    title="An escalation was interrupted",
                    body=f"Incident {incident}: {summary}. The next patrol looks at the service again.",
                    incident=incident,
                )
            )
        return tuple(notices)
