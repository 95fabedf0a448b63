"""One tier: its session from first process to report, through approvals, limits and interruptions."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Literal

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.sessions import SessionActivities
from domain.ids import SessionId, action_id, session_id
from domain.incident import ApprovalState, BaitSeen, IncidentState
from domain.session import SessionOrder, SessionOutcome, SessionStatus, TierSettings
from policy import notices
from workflows import bait, options
from workflows.case import Case, Clerk
from workflows.desk import ActionDesk
from workflows.looks import Looker
from workflows.notices import tell

FIRST_WAIT_S = 30.0
LONGEST_WAIT_S = 1800.0
MAX_PARKED = 6  # a session that parks again and again costs money and a person's patience


Resume = Literal["", "deferred", "interrupted"]


@dataclass
class _Tally:
    """What happened to one session so far, against the limits."""

    failures: int = 0
    waits: int = 0
    parked: int = 0


class TierEnd(StrEnum):
    """Why a tier ended."""

    REPORTED = "reported"
    FAILED = "failed"  # no usable report: the next tier is asked
    BLOCKED = "blocked"  # no session can run here: a person is needed
    CLOSED = "closed"  # by a person


class TierRunner:
    """Runs sessions. A session keeps its id over resumes; every new process is one attempt more."""

    def __init__(self, case: Case, clerk: Clerk, desk: ActionDesk, looker: Looker) -> None:
        self._looker = looker
        self._case = case
        self._clerk = clerk
        self._desk = desk
        self._ordinals: dict[int, int] = {}

    async def run(self, tier: TierSettings) -> tuple[TierEnd, SessionOutcome | None]:
        """From the first process to the last; waits for people and for busy servers without holding any."""
        case = self._case
        info = workflow.info()
        ordinal = self._ordinals[tier.tier] = self._ordinals.get(tier.tier, 0) + 1
        session = session_id(info.workflow_id, info.first_execution_run_id, tier.tier, ordinal)
        case.tier = tier.tier
        self._clerk.state_meanwhile(
            IncidentState.OPEN,
            f"tier {tier.tier} ({tier.name}) works on it",
            kind="tier_started",
            session=session,
            model=tier.model,
        )
        attempt, tally = 1, _Tally()
        resume: Resume = ""
        while True:
            outcome = await self._process(session, tier, attempt, resume)
            if outcome.bound == "bait":  # also where a person has closed the incident meanwhile
                await bait.open_incident(self._seen(outcome))
            step = TierEnd.CLOSED if case.closing is not None else await self._next(tier, outcome, tally)
            if case.closing is not None:
                return TierEnd.CLOSED, outcome
            if isinstance(step, TierEnd):
                return await self._end(step, outcome)
            resume = step
            attempt += 1

    async def _next(self, tier: TierSettings, outcome: SessionOutcome, tally: "_Tally") -> TierEnd | Resume:
        """Why the tier ends, or how its session goes on."""
        if outcome.status == SessionStatus.DEFERRED:
            tally.parked += 1
            if tally.parked > MAX_PARKED:
                return TierEnd.FAILED
            await self._wait_for_person(outcome)
            return "deferred"
        # Nobody would run the call any more: an approval that is given now would do nothing.
        await self._desk.close_pending("its session went on without it", expired=False)
        match outcome.status:
            case SessionStatus.RETRY_LATER:
                tally.waits += 1
                return "interrupted" if await self._wait_for_server(outcome, tally.waits) else TierEnd.FAILED
            case SessionStatus.STOPPED if outcome.bound == "bait":
                return TierEnd.BLOCKED
            case SessionStatus.FAILED | SessionStatus.STOPPED:  # stopped, but by nobody who closed the incident
                tally.failures += 1
                await self._clerk.note("session_failed", outcome.message, session=outcome.session)
                over = tally.failures >= self._case.start.policy.session_attempts
                return TierEnd.FAILED if over else "interrupted"
            case SessionStatus.REFUSED if outcome.bound == "budget":
                return TierEnd.BLOCKED  # the next tier costs more; a person is told when the incident is handed over
            case SessionStatus.AUTH | SessionStatus.REFUSED:
                step = f"{tier.tier}/{outcome.status}"
                await tell(notices.broken(self._case.start.incident, self._case.title, outcome.message, step))
                return TierEnd.BLOCKED
            case SessionStatus.LIMIT if outcome.bound == "money":
                await tell(
                    notices.out_of_money(self._case.start.incident, self._case.title, tier.tier, outcome.message)
                )
                return TierEnd.FAILED
            case SessionStatus.COMPLETED:
                return TierEnd.REPORTED
            case _:
                return TierEnd.FAILED

    async def _end(self, end: TierEnd, outcome: SessionOutcome) -> tuple[TierEnd, SessionOutcome]:
        await self._desk.close_unused(
            "its session reported without it" if outcome.report else f"its session did not go on: {outcome.message}"
        )
        text = outcome.report.summary if outcome.report else outcome.message
        escalates = bool(outcome.report and outcome.report.escalate)
        await self._clerk.note(
            "tier_ended",
            text,
            audited="session.refused" if outcome.status == SessionStatus.REFUSED else "",
            status=outcome.status.value,
            bound=outcome.bound,
            escalate=escalates,
            session=outcome.session,
        )
        return end, outcome

    def _seen(self, outcome: SessionOutcome) -> BaitSeen:
        case = self._case
        return BaitSeen(
            session=outcome.session,
            incident=case.start.incident,
            service=case.service,
            tier=case.tier,
            message=outcome.message,
            dry_run=case.start.dry_run,
        )

    async def _process(self, session: SessionId, tier: TierSettings, attempt: int, resume: Resume) -> SessionOutcome:
        """One process. A worker that dies is replaced by another that attaches to the same process."""
        case = self._case
        order = SessionOrder(
            session=session,
            incident=case.start.incident,
            workflow_id=workflow.info().workflow_id,
            workflow_run_id=workflow.info().run_id,
            tier=tier,
            attempt=attempt,
            resume=resume,
            prompt=case.start.prompt,
            dry_run=case.start.dry_run,
        )
        case.session = session
        summary = f"tier {tier.tier} {tier.model}" + (f", attempt {attempt} ({resume})" if resume else "")
        running = workflow.start_activity_method(
            SessionActivities.run_session, order, **options.session(tier.timeout_s), summary=summary
        )
        await workflow.wait_condition(lambda: running.done() or case.closing is not None)
        if not running.done():
            running.cancel()
        try:
            return await running
        except ActivityError as e:
            status = SessionStatus.STOPPED if case.closing is not None else SessionStatus.FAILED
            return SessionOutcome(session=session, attempt=attempt, status=status, message=str(e.cause or e)[:2000])
        finally:
            case.session = None  # whatever it still asks for comes too late
            await self._desk.quiet()

    async def _wait_for_person(self, outcome: SessionOutcome) -> None:
        """No process is alive while we wait, for days if need be."""
        case = self._case
        assert outcome.deferred is not None  # noqa: S101 - a deferred outcome carries its call
        aid = action_id(outcome.session, outcome.deferred.tool_use_id)
        # Of several calls that were deferred in one answer only the last survives in the CLI.
        await self._desk.close_pending("the session asked for something else", expired=False, but=aid)
        approval = case.approvals.get(aid)
        if approval is None:
            return  # the gate is asked again on resume and will answer
        if approval.state == ApprovalState.PENDING:
            await self._clerk.state(
                IncidentState.WAITING, f"waiting for a person: {approval.action.kind} {approval.action.target}"
            )

        def decided() -> bool:
            return case.approvals[aid].state != ApprovalState.PENDING or case.closing is not None

        while not decided():
            left = max(timedelta(0), approval.expires_at - workflow.now())
            try:
                await workflow.wait_condition(
                    lambda: decided() or case.healthy_seen, timeout=left, timeout_summary="approval expires"
                )
            except TimeoutError:
                await self._desk.close_pending("", expired=True)
            # What a patrol saw may be old news: only a look of now withdraws a question to a person.
            if case.healthy_seen and not decided():
                case.healthy_seen = False
                if (await self._looker.probe("is it needed?")).green:
                    await self._desk.close_pending("the service is healthy again", expired=False)
        if case.closing is None:
            await self._clerk.state(IncidentState.OPEN, f"going on with tier {case.tier}", kind="resumed")

    async def _wait_for_server(self, outcome: SessionOutcome, waits: int) -> bool:
        """Busy or rate-limited: the workflow waits, not a process. False where it has waited long enough."""
        if waits > 8:
            return False
        wait = outcome.retry_after_s or min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (waits - 1))
        if wait >= LONGEST_WAIT_S:
            what = f"the model cannot be asked for {wait / 60:.0f} min: {outcome.message}"
            await tell(notices.broken(self._case.start.incident, self._case.title, what, f"busy/{self._case.tier}"))
        await self._clerk.note("model_busy", f"{outcome.message}; trying again in {wait:.0f} s")
        try:
            await workflow.wait_condition(
                lambda: self._case.closing is not None,
                timeout=timedelta(seconds=wait),
                timeout_summary="model server is busy",
            )
        except TimeoutError:
            return True
        return True
