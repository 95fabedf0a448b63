"""Regular work behind the scenes: retention, orphans, the digest, and escalations that the engine lost."""

from collections.abc import Awaitable
from typing import TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.upkeep import UpkeepActivities
from domain.engine import UPKEEP
from domain.work import UpkeepOrder, UpkeepReport
from workflows import options
from workflows.notices import tell

T = TypeVar("T")


@workflow.defn(name=UPKEEP)
class UpkeepWorkflow:
    """Started by the schedule `upkeep` and once by every worker that starts."""

    @workflow.run
    async def run(self, order: UpkeepOrder) -> UpkeepReport:
        """Each step by itself: one that fails does not stop the others."""
        order = order.model_copy(update={"at": workflow.now()})
        interrupted = await self._step(
            workflow.execute_activity_method(UpkeepActivities.find_interrupted, **options.UPKEEP)
        )
        for notice in interrupted or ():
            await tell(notice)
        digest = await self._step(
            workflow.execute_activity_method(UpkeepActivities.write_digest, order, **options.UPKEEP)
        )
        if digest is not None:
            await tell(digest)
        swept = await self._step(workflow.execute_activity_method(UpkeepActivities.sweep_orphans, **options.UPKEEP))
        pruned = await self._step(workflow.execute_activity_method(UpkeepActivities.prune, order, **options.UPKEEP))
        return UpkeepReport(
            pruned=pruned.pruned if pruned else {},
            swept=swept.swept if swept else 0,
            interrupted=len(interrupted or ()),
            digest=digest.key if digest else "",
        )

    async def _step(self, step: Awaitable[T]) -> T | None:
        try:
            return await step
        except ActivityError as e:
            workflow.logger.warning("upkeep left something undone: %s", e.cause)
            return None
