"""One incident, from the first failing probe to verified recovery or hand-over to a person."""

from collections.abc import Callable
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from activities.probes import ProbeActivities
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
from domain.incident import (
    Alert,
    CloseRequest,
    Decision,
    DecisionAnswer,
    EscalationInput,
    EscalationResult,
    EscalationView,
    IncidentState,
    Observed,
    Verification,
)
from domain.work import OpenOrder, ProbeOrder, ProbeReport, VerifyOrder
from policy import notices
from workflows import options
from workflows.case import Case, Clerk
from workflows.desk import ActionDesk
from workflows.notices import tell
from workflows.tiers import TierEnd, TierRunner

LONGEST_POLL_S = 3600.0


@workflow.defn(name=ESCALATION)
class EscalationWorkflow:
    """The main line is `run`; everything that sessions and people say comes in by the handlers below it."""

    @workflow.init
    def __init__(self, start: EscalationInput) -> None:
        self._case = Case(start, affected=list(start.alert.affected))
        self._clerk = Clerk(self._case)
        self._desk = ActionDesk(self._case, self._clerk)
        self._tiers = TierRunner(self._case, self._clerk, self._desk)
        self._rounds = 0

    @workflow.run
    async def run(self, start: EscalationInput) -> EscalationResult:
        """Open, let it settle, climb the tiers, watch the fix, or hand over to a person."""
        await self._open(start)
        if await self._settled_by_itself():
            await self._clerk.state(IncidentState.SELF_HEALED, "recovered by itself; nothing was done")
            return await self._result()
        tier = start.start_tier
        while self._case.closing is None:
            fixed_at = await self._climb(tier)
            if self._case.state == IncidentState.REPORTED or self._case.closing is not None:
                break
            if fixed_at and await self._watch():
                break
            if fixed_at and fixed_at < len(start.policy.tiers):
                tier = fixed_at + 1  # it did not last: the tier above looks deeper
                continue
            if await self._handed_over():
                break
        if self._case.closing is not None:
            by = self._case.closing
            await self._clerk.state(IncidentState.CANCELLED, f"closed by {by.actor}: {by.reason}")
        return await self._result()

    async def _open(self, start: EscalationInput) -> None:
        info = workflow.info()
        order = OpenOrder(
            incident=start.incident,
            alert=start.alert,
            workflow_id=info.workflow_id,
            run_id=info.run_id,
            dry_run=start.dry_run,
            requested_by=start.requested_by,
            prompt=start.prompt,
        )
        await workflow.execute_activity_method(RecordActivities.open_incident, order, **options.RECORD)
        await self._clerk.state(
            IncidentState.OPEN,
            start.alert.summary or start.prompt[:200] or "opened",
            kind="opened",
            affected=list(self._case.affected),
        )

    async def _result(self) -> EscalationResult:
        await self._desk.close_pending("the incident is over", expired=False)
        await workflow.wait_condition(workflow.all_handlers_finished)
        case = self._case
        return EscalationResult(incident=case.start.incident, state=case.state, tier=case.tier, summary=case.summary)

    # ------------------------------------------------------------ the main line

    async def _settled_by_itself(self) -> bool:
        """Only a green round after the pause counts: a service that recovers alone must cost nothing."""
        if not self._case.service or self._case.start.prompt:
            return False
        if self._case.start.policy.settle_s > 0:
            await workflow.sleep(timedelta(seconds=self._case.start.policy.settle_s), summary="let it settle")
        return (await self._probe("settle")).green

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
                continue
            verification = await self._verify(acted=self._performed() > acted_before)
            if verification.verified:
                return tier.tier
            self._case.summary = f"not confirmed after tier {tier.tier}: {verification.summary}"
            await self._clerk.note("not_verified", self._case.summary)
        return 0

    def _performed(self) -> int:
        return sum(
            1
            for a in self._case.actions.values()
            if a.state in {ActionState.DONE, ActionState.FAILED, ActionState.UNKNOWN}
        )

    async def _verify(self, *, acted: bool) -> Verification:
        """Fixed means verified. Where nothing was done, one look tells whether waiting makes sense at all."""
        if not acted:
            report = await self._probe("look")
            if not report.green:
                return Verification(verified=False, green_s=0, results=report.results, summary=report.summary)
        await self._clerk.state(
            IncidentState.VERIFYING, f"verifying the work of tier {self._case.tier} with our own probes"
        )
        policy = self._case.start.policy
        order = VerifyOrder(
            services=self._case.services,
            window_s=policy.verify_window_s,
            interval_s=policy.verify_interval_s,
            timeout_s=policy.verify_timeout_s if acted else 0,
        )
        return await workflow.execute_activity_method(
            ProbeActivities.verify,
            order,
            **options.verifying(policy.verify_window_s, policy.verify_timeout_s),
            summary="verify",
        )

    async def _watch(self) -> bool:
        """Tell about the fix, look again at +1, +10 and +60 minutes. False where it did not last."""
        case = self._case
        acted = tuple(a for a in case.actions.values() if a.state == ActionState.DONE)
        if not acted:
            await self._clerk.state(IncidentState.SELF_HEALED, "healthy again without any action")
            return True
        case.healthy_seen = case.failing_seen = False
        await self._clerk.state(
            IncidentState.WATCHING, f"fixed by tier {case.tier} and verified; watching", kind="verified"
        )
        await tell(
            notices.remediated(
                case.start.incident,
                case.title,
                case.tier,
                acted,
                "our own probes stayed green",
                dry_run=case.start.dry_run,
            )
        )
        passed = 0.0
        for after in case.start.policy.rechecks_s:
            await self._pause(after - passed, until=lambda: case.failing_seen)
            passed = after
            if case.closing is not None:
                return True
            report = await self._probe(f"re-check +{after:.0f} s")
            if not report.green and not (await self._probe("re-check again")).green:
                await self._reopen(report)
                return False
            case.failing_seen = False
            await self._clerk.note("recheck", f"+{after:.0f} s: {report.summary}")
        await self._clerk.state(IncidentState.RESOLVED, f"resolved by tier {case.tier}, verified and re-checked")
        return True

    async def _reopen(self, report: ProbeReport) -> None:
        self._rounds += 1
        await self._clerk.state(IncidentState.OPEN, f"the fix did not last: {report.summary}", kind="reopened")
        await tell(notices.reopened(self._case.start.incident, self._case.title, report.summary, self._rounds))

    async def _handed_over(self) -> bool:
        """A person is told with the evidence; we look until it is healthy, closed, or nobody cares any more."""
        case = self._case
        self._rounds += 1
        await self._desk.close_pending("handed over to a person", expired=False)
        why = case.summary or "no tier could repair it"
        await self._clerk.state(IncidentState.NEEDS_PERSON, why)
        evidence = (await self._probe("hand-over")).summary if case.service else ""
        await tell(notices.needs_person(case.start.incident, case.title, why, evidence, self._rounds))
        if not case.service:
            await self._clerk.state(IncidentState.REPORTED, why)
            return True
        waited, pause = 0.0, case.start.policy.handover_poll_s
        while waited < case.start.policy.handover_watch_s:
            await self._pause(pause, until=lambda: case.healthy_seen)
            if case.closing is not None:
                return True
            waited, pause = waited + pause, min(LONGEST_POLL_S, pause * 1.5)
            case.healthy_seen = False
            if (await self._probe("hand-over")).green and (await self._verify(acted=False)).verified:
                await self._clerk.state(
                    IncidentState.RESOLVED, "healthy again after it was handed over", kind="recovered"
                )
                await tell(notices.recovered(case.start.incident, case.title, "our own probes stayed green"))
                return True
            if case.state != IncidentState.NEEDS_PERSON:
                await self._clerk.state(IncidentState.NEEDS_PERSON, why)
        await self._clerk.state(
            IncidentState.INTERRUPTED, "nobody took care of it in time; a new failure opens a new incident"
        )
        return True

    async def _pause(self, seconds: float, until: Callable[[], bool]) -> None:
        try:
            await workflow.wait_condition(
                lambda: self._case.closing is not None or until(),
                timeout=timedelta(seconds=max(0.0, seconds)),
                timeout_summary="look again",
            )
        except TimeoutError:
            return

    async def _probe(self, purpose: str) -> ProbeReport:
        order = ProbeOrder(services=self._case.services, purpose=purpose)
        return await workflow.execute_activity_method(
            ProbeActivities.probe_now, order, **options.PROBE, summary=purpose
        )

    # ------------------------------------------------------------ what comes in

    @workflow.signal(name=SIGNAL_ALERT)
    async def alert(self, alert: Alert) -> None:
        """Another alert for an open incident joins it. The one that started us is not counted."""
        case = self._case
        if alert == case.start.alert:
            return
        case.joined += 1
        case.failing_seen = True
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
        answer, decided = self._desk.decide(decision)
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
        if self._case.closing is not None:
            return f"already closed by {self._case.closing.actor}"
        self._case.closing = request
        return "closing"

    @workflow.query(name=QUERY_VIEW)
    def view(self) -> EscalationView:
        """How it is now."""
        return self._case.view()
