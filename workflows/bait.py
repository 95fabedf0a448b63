"""The incident of a session that carried its bait outside. Nothing is repaired here: a person finds out why."""

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from activities.records import RecordActivities
from domain.engine import BAIT, QUERY_VIEW, TASK_QUEUE_CONTROL, UPDATE_CLOSE
from domain.ids import bait_incident_id, bait_workflow_id
from domain.incident import (
    Alert,
    BaitSeen,
    CloseRequest,
    EscalationInput,
    EscalationPolicy,
    EscalationResult,
    EscalationView,
    IncidentState,
    Trigger,
)
from policy import notices
from policy.text import short
from workflows import options
from workflows.case import Case, Clerk
from workflows.notices import tell

_TO_DO = (
    "What to do: read the session's log, and what it was given to read (the service's logs, its repository, pages that it "
    "fetched): something there may have told it to steal. No other session works on this service until you close this "
    "incident; write there what you found."
)


@workflow.defn(name=BAIT)
class BaitWorkflow:
    """Open, tell, wait for the person who closes it, however long that takes."""

    @workflow.init
    def __init__(self, seen: BaitSeen) -> None:
        self._seen = seen
        self._title = f"A session that looked at {seen.service or 'everything'} carried a credential outside"
        alert = Alert(
            service=seen.service,
            trigger=Trigger.ALERT,
            summary=f"{self._title} (tier {seen.tier})",
            at=workflow.now(),
            origin=seen.incident,
        )
        start = EscalationInput(
            incident=bait_incident_id(seen.session),
            alert=alert,
            policy=EscalationPolicy(tiers=()),
            dry_run=seen.dry_run,
            requested_by="bait",
        )
        self._case = Case.of(start)
        self._case.tier = seen.tier
        self._clerk = Clerk(self._case)

    @workflow.run
    async def run(self, seen: BaitSeen) -> EscalationResult:
        """Ends as cancelled: only a person ends it."""
        case = self._case
        await workflow.execute_activity_method(RecordActivities.open_incident, case.opening(), **options.RECORD)
        told = f"{seen.message} {_TO_DO}"
        facts = {"session": seen.session, "incident": seen.incident}
        await self._clerk.note("bait", seen.message, audited="incident.opened", **facts)
        await self._clerk.state(IncidentState.NEEDS_PERSON, told)
        await tell(notices.bait_seen(case.start.incident, self._title, told))
        await workflow.wait_condition(lambda: case.closing is not None)
        assert case.closing is not None  # noqa: S101 - waited for
        await self._clerk.closed(case.closing)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return EscalationResult(incident=case.start.incident, state=case.state, tier=case.tier, summary=case.summary)

    @workflow.update(name=UPDATE_CLOSE)
    async def close(self, request: CloseRequest) -> str:
        """A person knows enough."""
        return self._case.close(request)

    @workflow.query(name=QUERY_VIEW)
    def view(self) -> EscalationView:
        """How it is now."""
        return self._case.view()


async def open_incident(seen: BaitSeen) -> None:
    """Open the incident of this session, once. It goes on when the escalation has ended."""
    try:
        await workflow.start_child_workflow(
            BaitWorkflow.run,
            seen,
            id=bait_workflow_id(seen.session),
            task_queue=TASK_QUEUE_CONTROL,
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            static_summary=short(f"bait of a session of tier {seen.tier}: {seen.service or 'look'}"),
        )
    except WorkflowAlreadyStartedError:
        workflow.logger.info("its incident is open already: %s", seen.session)
