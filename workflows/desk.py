"""The desk where sessions ask for actions: judged, permitted, approved, performed once, reconciled."""

import asyncio

from temporalio import workflow

from activities.actions import ActionActivities
from activities.ledger import PermitActivities
from domain.action import FINAL_STATES, Action, ActionAnswer, ActionRequest, ActionState
from domain.ids import ActionId, SessionId, action_id
from domain.incident import Approval, ApprovalState, Change, Decision, DecisionAnswer
from domain.ledger import PermitAnswer
from domain.work import Performed, Weighed, WeighOrder
from policy import approvals, notices
from workflows import options
from workflows.approvals import Approvals, answered, changed
from workflows.case import Case, Clerk
from workflows.effects import Effects
from workflows.notices import tell


class ActionDesk:
    """One action at a time, and the same tool call always gets the same answer."""

    def __init__(self, case: Case, clerk: Clerk) -> None:
        self._case = case
        self._clerk = clerk
        self._effects = Effects(case, clerk)
        self._approvals = Approvals(case, clerk)
        self._answers: dict[ActionId, ActionAnswer] = {}
        self._lock = asyncio.Lock()

    async def consider(self, request: ActionRequest) -> ActionAnswer:
        """What the gate shall do: allow, deny, or defer until a person has answered. Never acts."""
        aid = action_id(request.session, request.tool_use_id)
        async with self._lock:
            known = self._known(aid)
            if known is not None:
                return known
            stray = self._stray(request.session)
            if stray:
                return await self._refuse(aid, request, stray)
            weighed = await self._weigh(request, approved=False, rehearse=False)
            if weighed.decision == "deny" or weighed.action is None:
                return await self._refuse(aid, weighed.action or request, weighed.reason)
            if weighed.decision == "approval" and not self._case.start.dry_run:
                return await self._approvals.ask(weighed.action, weighed)
            return ActionAnswer(action=aid, decision="allow", state=ActionState.REQUESTED, message="go on")

    async def act(self, request: ActionRequest) -> ActionAnswer:
        """Decide again, with the world as it is now, and perform what was asked for, or what it was changed to."""
        async with self._lock:
            approval = self._case.approvals.get(action_id(request.session, request.tool_use_id))
            if approval is None or approval.changed_to is None:
                return await self._act(request, approval, approval.digest if approval else "")
            change = Change.model_validate(approval.changed_to.model_dump(include={"kind", "target", "params"}))
            wish = approvals.instead(approval, change, approval.decided_by)
            answer = await self._act(wish, approval, approval.changed_to.digest)
            return answer.model_copy(update={"message": f"{changed(approval)}. {answer.message}"})

    async def _act(self, request: ActionRequest, approval: Approval | None, approved_digest: str) -> ActionAnswer:
        aid = action_id(request.session, request.tool_use_id)
        if aid in self._answers:
            return self._answers[aid]
        stray = self._stray(request.session)
        if stray:
            return await self._refuse(aid, request, stray)
        if approval is not None and approval.state not in {ApprovalState.APPROVED, ApprovalState.CHANGED}:
            return answered(approval)  # not kept: the answer to the same call changes with the person's
        weighed = await self._weigh(request, approved=approval is not None, rehearse=True)
        if weighed.decision == "deny" or weighed.action is None or weighed.permit is None:
            return await self._refuse(aid, weighed.action or request, weighed.reason)
        if approval is not None and approved_digest != weighed.action.digest:
            return await self._refuse(aid, weighed.action, "it is not the action that was approved")
        if weighed.decision == "approval" and not self._case.start.dry_run:
            return await self._refuse(aid, weighed.action, "a person has to approve it first")
        return await self._permit_and_perform(weighed.action, weighed)

    def _known(self, aid: ActionId) -> ActionAnswer | None:
        approval = self._case.approvals.get(aid)
        if approval is None:
            known = self._answers.get(aid)
            # The call was answered already: let it through to hear the same answer again, unless it was refused.
            return (
                known if known is None or known.decision == "deny" else known.model_copy(update={"decision": "allow"})
            )
        return answered(approval)

    def _stray(self, session: SessionId) -> str:
        if self._case.closing is not None:
            return "this incident was closed by a person"
        if session != self._case.session:
            return "this session is not the one that works on the incident now"
        return ""

    async def _weigh(self, request: ActionRequest, *, approved: bool, rehearse: bool) -> Weighed:
        order = WeighOrder(
            request=request,
            incident=self._case.start.incident,
            services=self._case.services,
            tier=self._case.tier,
            policy=self._case.start.policy,
            approved=approved,
            rehearse=rehearse,
        )
        summary = f"judge {request.kind[:20]} {request.target[:40]}"
        return await workflow.execute_activity_method(ActionActivities.weigh, order, **options.WEIGH, summary=summary)

    async def _refuse(self, aid: ActionId, wish: ActionRequest | Action, reason: str) -> ActionAnswer:
        message = f"refused: {reason}"
        if isinstance(wish, ActionRequest):
            await self._clerk.refusal(wish.session, f"{wish.kind[:40]} {wish.target[:80]}", reason)
        else:
            action = wish
            refused = action.model_copy(
                update={"state": ActionState.REFUSED, "message": message, "finished_at": workflow.now()}
            )
            await self._clerk.action(refused, f"{action.kind} {action.target} {message}")
        return self._answer(ActionAnswer(action=aid, decision="deny", state=ActionState.REFUSED, message=message))

    def _answer(self, answer: ActionAnswer) -> ActionAnswer:
        if answer.action is not None:
            self._answers[answer.action] = answer
        return answer

    # ------------------------------------------------------------ approvals

    async def decide(self, decision: Decision) -> tuple[DecisionAnswer, Approval | None]:
        """A person's answer to one approval."""
        return await self._approvals.decide(decision, lambda wish: self._weigh(wish, approved=True, rehearse=False))

    async def close_pending(self, reason: str, *, expired: bool, but: ActionId | None = None) -> None:
        """Expire or withdraw what nobody answered. `but` stays open."""
        await self._approvals.close_pending(reason, expired=expired, but=but)

    async def close_unused(self, why: str) -> None:
        """Say of what a person allowed, and nobody did, that nobody will."""
        await self._approvals.close_unused(why)

    # ------------------------------------------------------------ effects

    async def _permit_and_perform(self, action: Action, weighed: Weighed) -> ActionAnswer:
        if self._case.start.dry_run:
            message = f"dry run: {action.kind} {action.target} would have been done; nothing was done"
            dry = action.model_copy(
                update={"state": ActionState.DRY_RUN, "message": message, "finished_at": workflow.now()}
            )
            await self._clerk.action(dry, message)
            return self._answer(ActionAnswer(action=action.id, decision="allow", state=dry.state, message=message))
        assert weighed.permit is not None  # noqa: S101 - checked by the caller, for the type checker
        permit = await workflow.execute_activity_method(
            PermitActivities.acquire_permit,
            weighed.permit,
            **options.PERMIT,
            summary=f"permit for {action.kind} {action.target}",
        )
        if not permit.granted:
            return await self._refuse_by_limit(action, permit)
        await self._clerk.action(
            action.model_copy(update={"state": ActionState.PERMITTED}),
            f"{action.kind} {action.target} permitted ({permit.used} of {permit.limit})",
        )
        stray = self._stray(action.session)
        if stray:  # closed, or its session ended, while the permit was fetched
            await self._effects.settle(action, f"nothing was done: {stray}", confirmed=False)
            return await self._refuse(action.id, action, stray)
        # From here on the same call is never performed again, whatever goes wrong below.
        self._answer(_begun(action))
        performed = await self._effects.perform_once(action)
        return await self._finish(performed)

    async def quiet(self) -> None:
        """Returns when no action is under way. The lock is fair, so whoever waits for it is answered before."""
        async with self._lock:
            return

    async def _refuse_by_limit(self, action: Action, permit: PermitAnswer) -> ActionAnswer:
        when = f"; next slot at {permit.next_slot_at.isoformat(timespec='seconds')}" if permit.next_slot_at else ""
        message = f"refused: {permit.reason}{when}. Nothing was done. Report what you found and escalate."
        refused = action.model_copy(
            update={
                "state": ActionState.REFUSED,
                "message": message,
                "retry_after_s": permit.retry_after_s,
                "finished_at": workflow.now(),
            }
        )
        await self._clerk.action(refused, f"{action.kind} {action.target} {message}")
        await tell(notices.limit_refused(self._case.start.incident, action, permit.reason, permit.next_slot_at))
        return self._answer(
            ActionAnswer(
                action=action.id,
                decision="deny",
                state=ActionState.REFUSED,
                message=message,
                retry_after_s=permit.retry_after_s,
            )
        )

    async def _finish(self, performed: Performed) -> ActionAnswer:
        result = performed.result
        never_begun = (
            performed.action.before is None
            and result.before is None
            and result.state in {ActionState.FAILED, ActionState.DRY_RUN}
        )
        done = performed.action.model_copy(
            update={
                "state": result.state,
                "message": result.message,
                "before": result.before or performed.action.before,
                "after": result.after,
                "finished_at": workflow.now() if result.state in FINAL_STATES else None,
            }
        )
        await self._clerk.action(done, f"{done.kind} {done.target} {done.state}: {done.message}")
        said = f"{done.state}: {done.message}"
        answer = self._answer(ActionAnswer(action=done.id, decision="allow", state=done.state, message=said))
        await self._effects.settle(done, said[:300], confirmed=not never_begun)
        return answer


def _begun(action: Action) -> ActionAnswer:
    message = "unknown: it was begun and its outcome is not known; probe before anything else"
    return ActionAnswer(action=action.id, decision="allow", state=ActionState.UNKNOWN, message=message)
