"""What comes after the tiers: watching a fix, or watching what was handed over to a person."""

from temporalio import workflow

from domain.action import ActionState
from domain.incident import Handover, IncidentState
from domain.work import ProbeReport
from policy import notices
from workflows.case import Case, Clerk
from workflows.desk import ActionDesk
from workflows.looks import Looker
from workflows.notices import tell

LONGEST_POLL_S = 3600.0
GONE = "none of its services is in the inventory any more; nothing more is done"


class Aftercare:
    """Nothing acts here. What fails again goes back to the tiers, or is a person's already."""

    def __init__(self, case: Case, clerk: Clerk, desk: ActionDesk, looker: Looker) -> None:
        self._case = case
        self._clerk = clerk
        self._desk = desk
        self._looker = looker

    async def watch(self) -> bool:
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
        proof = "our own probes stayed green"
        await tell(
            notices.remediated(case.start.incident, case.title, case.tier, acted, proof, dry_run=case.start.dry_run)
        )
        begun = workflow.now()
        for after in case.start.policy.rechecks_s:
            due, seen = False, ""
            while not due:
                # An alert makes us look at once, but does not bring the promised look forward.
                left = after - (workflow.now() - begun).total_seconds()
                await self._looker.pause(left, until=lambda: case.failing_seen)
                if case.closing is not None:
                    return True
                case.failing_seen = False
                due = (workflow.now() - begun).total_seconds() >= after
                report = await self._looker.probe(f"re-check +{after:.0f} s")
                seen = report.summary
                if case.gone:
                    return True
                if not report.green and not (await self._looker.probe("re-check again")).green:
                    await self._reopen(report)
                    return False
            await self._clerk.note("recheck", f"+{after:.0f} s: {seen}")
        await self._clerk.state(IncidentState.RESOLVED, f"resolved by tier {case.tier}, verified and re-checked")
        return True

    async def _reopen(self, report: ProbeReport) -> None:
        self._case.rounds += 1
        await self._clerk.state(IncidentState.OPEN, f"the fix did not last: {report.summary}", kind="reopened")
        await tell(notices.reopened(self._case.start.incident, self._case.title, report.summary, self._case.rounds))

    async def hand_over(self) -> None:
        """A person is told with the evidence; we look until it is healthy, closed, or nobody cares any more."""
        case = self._case
        case.rounds += 1
        await self._desk.close_pending("handed over to a person", expired=False)
        why = case.summary or "no tier could repair it"
        await self._clerk.state(IncidentState.NEEDS_PERSON, why)
        evidence = (await self._looker.probe("hand-over")).summary if case.service else ""
        await tell(notices.needs_person(case.start.incident, case.title, why, evidence, case.rounds))
        if not case.service:
            await self._clerk.state(IncidentState.REPORTED, why)
            return
        await self.go_on(Handover(why=why, pause_s=case.start.policy.handover_poll_s))

    async def go_on(self, at: Handover) -> None:
        """Look less and less often. Every alert makes history longer, so a long watch goes on in a fresh run."""
        case, waited, pause = self._case, at.waited_s, at.pause_s
        while waited < case.start.policy.handover_watch_s and not case.gone:
            await self._looker.pause(pause, until=lambda: case.healthy_seen)
            if case.closing is not None:
                return
            waited, pause = waited + pause, min(LONGEST_POLL_S, pause * 1.5)
            case.healthy_seen = False
            if (await self._looker.probe("hand-over")).green and (await self._looker.verify(acted=False)).verified:
                await self._clerk.state(
                    IncidentState.RESOLVED, "healthy again after it was handed over", kind="recovered"
                )
                await tell(notices.recovered(case.start.incident, case.title, "our own probes stayed green"))
                return
            if case.state != IncidentState.NEEDS_PERSON:
                await self._clerk.state(IncidentState.NEEDS_PERSON, at.why)
            await self._fresh_run(at.model_copy(update={"waited_s": waited, "pause_s": pause}))
        if not case.gone:
            summary = "nobody took care of it in time; a new failure opens a new incident"
            await self._clerk.state(IncidentState.INTERRUPTED, summary)

    async def _fresh_run(self, at: Handover) -> None:
        case, info = self._case, workflow.info()
        long = info.get_current_history_length() >= case.start.policy.history_limit
        if not (long or info.is_continue_as_new_suggested()) or case.gone:
            return
        await workflow.wait_condition(workflow.all_handlers_finished)
        if case.closing is not None:
            return
        carried = at.model_copy(
            update={
                "tier": case.tier,
                "summary": case.summary,
                "affected": tuple(case.affected),
                "joined": case.joined,
                "rounds": case.rounds,
                "actions": tuple(case.actions.values()),
            }
        )
        workflow.continue_as_new(case.start.model_copy(update={"handover": carried}))
