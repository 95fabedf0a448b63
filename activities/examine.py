"""A person asks whether a part works; it is tried once, and the answer is words."""

from temporalio import activity

from activities.errors import mapped
from domain.examination import Examination, ExaminationOrder
from domain.ports import Examiner


class ExaminationActivities:
    """Tries channels, credential and engines for a page."""

    def __init__(self, examiner: Examiner) -> None:
        self._examiner = examiner

    @activity.defn
    @mapped
    async def examine(self, order: ExaminationOrder) -> Examination:
        """One look at one part."""
        return await self._examiner.examine(order)
