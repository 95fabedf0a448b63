"""A look at one part that only the worker can reach, because a person pressed its test button."""

from temporalio import workflow

from activities.examine import ExaminationActivities
from domain.engine import EXAMINATION
from domain.examination import Examination, ExaminationOrder
from workflows import options


@workflow.defn(name=EXAMINATION)
class ExaminationWorkflow:
    """Asks once. Nobody waits long enough for a second attempt."""

    @workflow.run
    async def run(self, order: ExaminationOrder) -> Examination:
        """What was found."""
        return await workflow.execute_activity_method(
            ExaminationActivities.examine, order, **options.EXAMINATION, summary=f"test {order.part}"
        )
