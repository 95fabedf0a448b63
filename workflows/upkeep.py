"""Regular work behind the scenes: retention, orphans, and escalations that the engine lost."""

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.upkeep import UpkeepActivities
from domain.engine import UPKEEP
from domain.work import UpkeepOrder, UpkeepReport
from workflows import options
from workflows.notices import tell


@workflow.defn(name=UPKEEP)
class UpkeepWorkflow:
    """Started by the schedule `upkeep` and once by every worker that starts."""

    @workflow.run
    async def run(self, order: UpkeepOrder) -> UpkeepReport:
        """Each step by itself: one that fails does not stop the others."""
        order = order.model_copy(update={"at": workflow.now()})
        interrupted = await workflow.execute_activity_method(UpkeepActivities.find_interrupted, **options.UPKEEP)
        for notice in interrupted:
            await tell(notice)
        swept = 0
        pruned: dict[str, int] = {}
        try:
            swept = (await workflow.execute_activity_method(UpkeepActivities.sweep_orphans, **options.UPKEEP)).swept
            pruned = (await workflow.execute_activity_method(UpkeepActivities.prune, order, **options.UPKEEP)).pruned
        except ActivityError as e:
            workflow.logger.warning("upkeep left something undone: %s", e.cause)
        return UpkeepReport(pruned=pruned, swept=swept, interrupted=len(interrupted))
