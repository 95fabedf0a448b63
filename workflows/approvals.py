"""Questions to a person: asked once, answered once, expired or withdrawn where nobody answers."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from temporalio import workflow

from activities.ledger import LedgerRecordActivities
from domain.action import Action, ActionAnswer, ActionRequest, ActionState
from domain.ids import ActionId, ApprovalId, approval_id
from domain.incident import Approval, ApprovalState, Decision, DecisionAnswer
from domain.work import Weighed
from policy import approvals, cooldown, notices
from workflows import options
from workflows.case import Case, Clerk
from workflows.notices import tell


class Approvals:
    """All approvals of one escalation."""

    def __init__(self, case: Case, clerk: Clerk) -> None:
        self._case = case
        self._clerk = clerk

    async def ask(self, action: Action, weighed: Weighed) -> ActionAnswer:
        """Write it down, tell people, and park the session."""
        now = workflow.now()
        approval = Approval(
            id=approval_id(action.id),
            incident=self._case.start.incident,
            workflow_id=workflow.info().workflow_id,
            action=action.model_copy(update={"state": ActionState.WAITING}),
            digest=action.digest,
            blast=weighed.blast,
            evidence=self._case.start.alert.summary,
            requested_at=now,
            expires_at=now + timedelta(seconds=self._case.start.policy.approval_timeout_s),
        )
        waiting = action.model_copy(
            update={"state": ActionState.WAITING, "approval": approval.id, "message": "waiting for a person"}
        )
        await self._clerk.action(waiting, f"{action.kind} {action.target} waits for a person")
        await self._clerk.approval(approval, f"asked a person to approve {action.kind} {action.target}")
        await tell(notices.approval_wanted(approval))
        return parked(approval)

    async def decide(
        self, decision: Decision, weigh: Callable[[ActionRequest], Awaitable[Weighed]]
    ) -> tuple[DecisionAnswer, Approval | None]:
        """A person's answer. A change is judged by every rule first; meanwhile somebody else may answer."""
        known = self._of(decision.approval)
        if known is None:
            return DecisionAnswer(accepted=False, state=ApprovalState.VOID, message="no such approval here"), None
        judged: Weighed | None = None
        if decision.change is not None and decision.approve:
            answer, _ = approvals.decide(known, decision, workflow.now())
            if answer.accepted:
                judged = await weigh(approvals.instead(known, decision.change, decision.actor))
                reason = await self._against(judged)
                if reason:
                    return DecisionAnswer(accepted=False, state=known.state, message=reason), None
                known = self._case.approvals[known.action.id]
        answer, decided = approvals.decide(known, decision, workflow.now(), _changed_to(known, judged))
        if judged is not None and answer.accepted:
            decided = decided.model_copy(update={"changed_blast": judged.blast})
        self._case.approvals[decided.action.id] = decided
        return answer, decided if decided != known else None  # an answer that came too late expires it

    async def _against(self, judged: Weighed) -> str:
        """Why a changed action cannot be; "" where the rules and the ledger as it is now would let it pass.

        The ledger is only looked at: the slot is taken when the action is about to be performed.
        """
        if judged.decision == "deny" or judged.action is None or judged.permit is None:
            return judged.reason
        history = await workflow.execute_activity_method(
            LedgerRecordActivities.ledger_history, judged.action.target, **options.RECORD
        )
        permit, _ = cooldown.decide(history.journal, judged.permit, workflow.now())
        return "" if permit.granted else approvals.limited(permit)

    async def close_pending(self, reason: str, *, expired: bool, but: ActionId | None = None) -> None:
        """Expire or withdraw what nobody answered. `but` stays open."""
        now = workflow.now()
        for aid in list(self._case.approvals):
            approval = self._case.approvals[aid]  # a person may have answered while the one before was written
            if approval.state == ApprovalState.PENDING and aid != but:
                closed = (
                    approvals.expire(approval, max(now, approval.expires_at))
                    if expired
                    else approvals.void(approval, now, reason)
                )
                await self._clerk.approval(
                    closed, f"approval of {approval.action.kind} {approval.action.target}: {closed.state}"
                )

    async def close_unused(self, why: str) -> None:
        """What a person allowed, and no session came back to do: nobody will do it any more."""
        for approval in tuple(self._case.approvals.values()):
            action = self._case.actions.get((approval.changed_to or approval.action).id)
            allowed = approval.state in {ApprovalState.APPROVED, ApprovalState.CHANGED}
            if not allowed or action is None or action.state not in {ActionState.REQUESTED, ActionState.WAITING}:
                continue
            message = f"allowed by {approval.decided_by}, but nothing was done: {why}"
            over = {"state": ActionState.EXPIRED, "message": message, "finished_at": workflow.now()}
            await self._clerk.action(action.model_copy(update=over), f"{action.kind} {action.target} was {message}")

    def _of(self, approval: ApprovalId) -> Approval | None:
        return next((a for a in self._case.approvals.values() if a.id == approval), None)


def _changed_to(known: Approval, judged: Weighed | None) -> Action | None:
    if judged is None or judged.action is None:
        return None
    return judged.action.model_copy(update={"approval": known.id})


def parked(approval: Approval) -> ActionAnswer:
    """What a session is told while a person has not answered."""
    return ActionAnswer(
        action=approval.action.id,
        decision="defer",
        state=ActionState.WAITING,
        message="a person was asked to approve this; the session is parked until the answer",
        approval=approval.id,
    )


def answered(approval: Approval) -> ActionAnswer:
    """What a session is told when it asks again."""
    aid = approval.action.id
    match approval.state:
        case ApprovalState.PENDING:
            return parked(approval)
        case ApprovalState.APPROVED:
            message = f"approved by {approval.decided_by}"
            return ActionAnswer(action=aid, decision="allow", state=ActionState.PERMITTED, message=message)
        case ApprovalState.CHANGED:
            return ActionAnswer(action=aid, decision="allow", state=ActionState.PERMITTED, message=changed(approval))
        case _:
            why = f" ({approval.reason})" if approval.reason else ""
            message = f"a person did not approve this: {approval.state}{why}. Do not ask again; report what you know."
            return ActionAnswer(action=aid, decision="deny", state=ActionState.DENIED, message=message)


def changed(approval: Approval) -> str:
    """`changed by anna to: restart local/db (reason)`; "" where nothing was changed."""
    if approval.changed_to is None:
        return ""
    why = f" ({approval.reason})" if approval.reason else ""
    return f"changed by {approval.decided_by} to: {approval.changed_to.exact}{why}"
