"""Telling people: one small workflow per notice. A dead channel holds nothing up, and no message is left behind."""

import asyncio

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import ActivityError, WorkflowAlreadyStartedError

from activities.notify import NoticeActivities
from domain.engine import NOTICE, TASK_QUEUE_CONTROL
from domain.notice import Notice
from domain.work import SendOrder
from policy.text import short
from workflows import options


@workflow.defn(name=NOTICE)
class NoticeWorkflow:
    """Sends one notice through every channel."""

    @workflow.run
    async def run(self, notice: Notice) -> int:
        """The number of channels that took it."""
        channels = await workflow.execute_activity_method(NoticeActivities.channels, **options.RECORD)
        sends = [
            workflow.execute_activity_method(
                NoticeActivities.send, SendOrder(channel=c, notice=notice), **options.NOTICE, summary=f"tell {c}"
            )
            for c in channels
        ]
        answers = await asyncio.gather(*sends, return_exceptions=True)
        lost = [a for a in answers if isinstance(a, BaseException)]
        for error in lost:
            if not isinstance(error, ActivityError):
                raise error
            workflow.logger.warning("a notice could not be delivered: %s", error.cause)
        return len(answers) - len(lost)


async def tell(notice: Notice) -> None:
    """Hand a notice over. The same key is sent once, however often it is told."""
    try:
        await workflow.start_child_workflow(
            NoticeWorkflow.run,
            notice,
            id=f"notice/{notice.key}",
            task_queue=TASK_QUEUE_CONTROL,
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            static_summary=short(f"{notice.kind}: {notice.title}"),
        )
    except WorkflowAlreadyStartedError:
        workflow.logger.info("already told: %s", notice.key)
