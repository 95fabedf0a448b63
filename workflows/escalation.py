"""One incident, from the first failing probe to verified recovery or hand-over to a person."""

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

from activities.records import RecordActivities
from domain.action import ActionAnswer, ActionRequest, ActionState
from domain.engine import (
    ESCALATION,
    QUERY_VIEW,
    SIGNAL_ALERT,
    SIGNAL_OBSERVED,
    UPDATE_ACT,
    UPDATE_CLOSE,
    UPDATE_CONSIDER,
    UPDATE_DECIDE,
)
from domain.ids import IncidentId, derived_uuid
from domain.incident import (
    CLOSED_STATES,
    Alert,
    CloseRequest,
    Decision,
    DecisionAnswer,
    EscalationInput,
    EscalationResult,
    EscalationView,
    IncidentState,
    Observed,
)
from policy import notices
from workflows import options
from workflows.aftercare import GONE, Aftercare
from workflows.case import Case, Clerk
from workflows.desk import ActionDesk
from workflows.looks import Looker
from workflows.notices import tell
from workflows.tiers import TierEnd, TierRunner


def _named(start: EscalationInput) -> EscalationInput:
    """A schedule starts every look with the same words, so its incident is named after the run."""
    if start.incident:
        return start
    incident = IncidentId("inc_" + derived_uuid("incident", workflow.info().workflow_id)[:18])
    return start.model_copy(
        update={"incident": incident, "alert": start.alert.model_copy(update={"at": workflow.now()})}
    )


@workflow.defn(name=ESCALATION)
class EscalationWorkflow:
    """The main line is `run`; everything that sessions and people say comes in by the handlers below it."""

    @workflow.init
    def __init__(self, start: EscalationInput) -> None:
        self._case = Case.of(_named(start))
        self._clerk = Clerk(self._case)
        self._desk = ActionDesk(self._case, self._clerk)
        self._looker = Looker(self._case, self._clerk)
        self._tiers = TierRunner(self._case, self._clerk, self._desk, self._looker)
        self._aftercare = Aftercare(self._case, self._clerk, self._desk, self._looker)

    @workflow.run
    async def run(self, start: EscalationInput) -> EscalationResult:
        """Open, let it settle, climb the tiers, watch the fix, or hand over to a person."""
        if start.handover is not None:
            await self._aftercare.go_on(start.handover)
            return await self._result()
        await self._open(self._case.start)
        if await self._settled_by_itself():
            await self._clerk.state(IncidentState.SELF_HEALED, "recovered by itself; nothing was done")
            return await self._result()
        tier = start.start_tier
        while self._open_still():
            fixed_at = await self._climb(tier)
            if self._case.state == IncidentState.REPORTED or not self._open_still():
                break
            if fixed_at and await self._aftercare.watch():
                break
            if fixed_at and fixed_at < len(start.policy.tiers):
                tier = fixed_at + 1  # it did not last: the tier above looks deeper
                continue
            await self._aftercare.hand_over()
            break
        return await self._result()

    def _open_still(self) -> bool:
        return self._case.closing is None and not self._case.gone

    async def _open(self, start: EscalationInput) -> None:
        order = self._case.opening()
        try:
            await workflow.execute_local_activity_method(
                RecordActivities.open_incident, order, **options.RECORD_AT_ONCE
            )
        except ActivityError as e:
            if is_cancelled_exception(e):
                raise
            await workflow.execute_activity_method(RecordActivities.open_incident, order, **options.RECORD)
        # The look begins beside these lines of history: a person is waiting for it.
        self._clerk.state_meanwhile(
            IncidentState.OPEN,
            start.alert.summary or start.prompt[:200] or "opened",
            kind="opened",
            affected=list(self._case.affected),
        )

    async def _result(self) -> EscalationResult:
        case = self._case
        if case.state in CLOSED_STATES:
            pass  # how it ended is written already
        elif case.closing is not None:
            await self._clerk.closed(case.closing)
        elif case.gone:
            await self._clerk.state(IncidentState.INTERRUPTED, GONE)
            await tell(notices.broken(case.start.incident, case.title, GONE, "gone"))
        await self._desk.close_pending("the incident is over", expired=False)
        await self._desk.close_unused("the incident is over")
        await workflow.wait_condition(workflow.all_handlers_finished)
        return EscalationResult(incident=case.start.incident, state=case.state, tier=case.tier, summary=case.summary)

    # ------------------------------------------------------------ the main line

    async def _settled_by_itself(self) -> bool:
        """Only a green round after the pause counts: a service that recovers alone must cost nothing."""
        if not self._case.service or self._case.start.prompt:
            return False
        if self._case.start.policy.settle_s > 0:
            await workflow.sleep(timedelta(seconds=self._case.start.policy.settle_s), summary="let it settle")
        return (await self._looker.probe("settle")).green

    async def _climb(self, first: int) -> int:
        """The tier whose work our probes confirmed, or 0 where none was. A look without a service ends as reported."""
        for tier in self._case.start.policy.tiers:
            if tier.tier < first:
                continue
            acted_before = self._performed()
            end, outcome = await self._tiers.run(tier)
            if end == TierEnd.CLOSED:
                return 0
            if end == TierEnd.BLOCKED:
                self._case.summary = outcome.message if outcome else "no session can run"
                return 0
            report = outcome.report if outcome else None
            if not self._case.service or (self._case.start.prompt and not (report and report.escalate)):
                if report and not report.escalate:
                    await self._clerk.state(IncidentState.REPORTED, report.summary)
                    await tell(
                        notices.reported(
                            self._case.start.incident, f"Look finished: {self._case.title}", report.summary
                        )
                    )
                    return 0
                self._case.summary = (report and (report.escalate_reason or report.summary)) or (
                    outcome.message if outcome else self._case.summary
                )
                continue
            verification = await self._looker.verify(acted=self._performed() > acted_before)
            if verification.verified:
                return tier.tier
            if self._case.gone:
                return 0
            self._case.summary = f"not confirmed after tier {tier.tier}: {verification.summary}"
            await self._clerk.note("not_verified", self._case.summary)
        return 0

    def _performed(self) -> int:
        return sum(
            1
            for a in self._case.actions.values()
            if a.state in {ActionState.DONE, ActionState.FAILED, ActionState.UNKNOWN}
        )

    # ------------------------------------------------------------ what comes in

    @workflow.signal(name=SIGNAL_ALERT)
    async def alert(self, alert: Alert) -> None:
        """Another alert for an open incident joins it. The one that started us is not counted."""
        case = self._case
        if alert == case.start.alert:
            return
        case.joined += 1
        case.failing_seen, case.healthy_seen = True, False
        new = [s for s in (alert.service, *alert.affected) if s not in case.services]
        case.affected.extend(new)
        # Every patrol of a long repair alerts again; only what is new to a reader becomes a line.
        if new or case.joined == 1:
            await self._clerk.note("joined", f"another alert joined: {', '.join(new) or alert.summary}"[:300])

    @workflow.signal(name=SIGNAL_OBSERVED)
    def observed(self, seen: Observed) -> None:
        """A patrol saw the service."""
        if seen.service == self._case.service:
            self._case.healthy_seen = seen.healthy
            self._case.failing_seen = self._case.failing_seen or not seen.healthy

    @workflow.update(name=UPDATE_CONSIDER)
    async def consider(self, request: ActionRequest) -> ActionAnswer:
        """The gate asks before a session's action."""
        return await self._desk.consider(request)

    @workflow.update(name=UPDATE_ACT)
    async def act(self, request: ActionRequest) -> ActionAnswer:
        """A session asks for an action."""
        return await self._desk.act(request)

    @workflow.update(name=UPDATE_DECIDE)
    async def decide(self, decision: Decision) -> DecisionAnswer:
        """A person answers an approval. The first answer wins."""
        answer, decided = await self._desk.decide(decision)
        if decided is not None:
            await self._clerk.approval(decided, f"{decided.action.kind} {decided.action.target}: {answer.message}")
        return answer

    @decide.validator
    def _valid_decision(self, decision: Decision) -> None:
        if not decision.actor.strip():
            raise ApplicationError("say who decides: 'actor' is empty", non_retryable=True)
        if not any(a.id == decision.approval for a in self._case.approvals.values()):
            raise ApplicationError(f"there is no approval {decision.approval} in this incident", non_retryable=True)

    @workflow.update(name=UPDATE_CLOSE)
    async def close(self, request: CloseRequest) -> str:
        """A person ends it: the session is stopped and nothing more is done."""
        return self._case.close(request)

    @workflow.query(name=QUERY_VIEW)
    def view(self) -> EscalationView:
        """How it is now."""
        return self._case.view()
