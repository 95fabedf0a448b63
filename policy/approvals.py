"""Approvals: one exact digest, one use, one winner; time that runs out denies."""

from datetime import datetime

from domain.incident import Approval, ApprovalState, Decision, DecisionAnswer


def decide(approval: Approval, decision: Decision, now: datetime) -> tuple[DecisionAnswer, Approval]:
    """Apply a person's decision. Whoever comes second is told who was first."""
    if approval.state != ApprovalState.PENDING:
        who = f" by {approval.decided_by}" if approval.decided_by else ""
        message = f"already {approval.state}{who}"
        return DecisionAnswer(
            accepted=False, state=approval.state, decided_by=approval.decided_by, message=message
        ), approval
    if now >= approval.expires_at:
        expired = expire(approval, now)
        return DecisionAnswer(accepted=False, state=expired.state, message="expired, which counts as denied"), expired
    if decision.digest != approval.digest:
        message = "the action is not the one that was shown; reload the page and look again"
        return DecisionAnswer(accepted=False, state=approval.state, message=message), approval
    state = ApprovalState.APPROVED if decision.approve else ApprovalState.DENIED
    decided = approval.model_copy(
        update={"state": state, "decided_at": now, "decided_by": decision.actor, "reason": decision.reason}
    )
    return DecisionAnswer(
        accepted=True, state=state, decided_by=decision.actor, message=f"{state} by {decision.actor}"
    ), decided


def expire(approval: Approval, now: datetime) -> Approval:
    """A pending approval whose time is over is a denial by nobody."""
    if approval.state != ApprovalState.PENDING or now < approval.expires_at:
        return approval
    return approval.model_copy(
        update={"state": ApprovalState.EXPIRED, "decided_at": now, "reason": "nobody answered in time"}
    )


def void(approval: Approval, now: datetime, reason: str) -> Approval:
    """Withdraw a pending approval that nobody needs any more."""
    if approval.state != ApprovalState.PENDING:
        return approval
    return approval.model_copy(update={"state": ApprovalState.VOID, "decided_at": now, "reason": reason})
