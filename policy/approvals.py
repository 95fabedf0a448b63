"""Approvals: one exact digest, one use, one winner; time that runs out denies."""

from datetime import UTC, datetime

from domain.action import Action, ActionRequest, BlastRadius, Risk
from domain.incident import Approval, ApprovalState, Change, Decision, DecisionAnswer
from domain.ledger import PermitAnswer


def decide(
    approval: Approval, decision: Decision, now: datetime, changed_to: Action | None = None
) -> tuple[DecisionAnswer, Approval]:
    """Apply a person's decision. Whoever comes second is told who was first, and when.

    `changed_to` is the decision's change after it was judged; without it a change is not applied.
    """
    if approval.state != ApprovalState.PENDING:
        return _refused(approval, already(approval)), approval
    if now >= approval.expires_at:
        expired = expire(approval, now)
        return _refused(expired, "expired, which counts as denied"), expired
    if decision.digest != approval.digest:
        return _refused(approval, "the action is not the one that was shown; reload the page and look again"), approval
    if changed_to is not None and changed_to.digest == approval.digest:
        return _refused(approval, "that is the action that was asked for; approve it, or change something"), approval
    state = ApprovalState.APPROVED if decision.approve else ApprovalState.DENIED
    decided = approval.model_copy(
        update={
            "state": state if changed_to is None else ApprovalState.CHANGED,
            "decided_at": now,
            "decided_by": decision.actor,
            "decided_how": decision.how,
            "reason": decision.reason,
            "changed_to": changed_to,
        }
    )
    what = f" to: {changed_to.exact}" if changed_to else ""
    message = f"{decided.state} by {decision.actor}{what}"
    return DecisionAnswer(
        accepted=True, state=decided.state, decided_by=decision.actor, decided_at=now, message=message
    ), decided


def already(approval: Approval) -> str:
    """What became of an approval that no longer waits: `already denied by anna at 2026-03-01 12:05 UTC`."""
    who = f" by {approval.decided_by}" if approval.decided_by else ""
    at = approval.decided_at
    when = f" at {at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if at and who else ""
    what = f", to: {approval.changed_to.exact}" if approval.changed_to else ""
    return f"already {approval.state}{who}{when}{what}"


def is_harmful(action: Action, blast: BlastRadius | None) -> bool:
    """Whether somebody who allows this shows once more who they are, where their login lies back."""
    return action.risk != Risk.LOW or bool(blast and blast.data_at_risk)


def instead(approval: Approval, change: Change, actor: str) -> ActionRequest:
    """The wish that a change makes of the one that waits. It has an id of its own: it is another action."""
    asked = approval.action
    return ActionRequest(
        session=asked.session,
        tool_use_id=f"{asked.tool_use_id}:changed",
        kind=change.kind,
        target=change.target,
        params=change.params,
        reason=f"changed by {actor} from {asked.exact}",
    )


def limited(permit: PermitAnswer) -> str:
    """Why the ledger would refuse a changed action now, for the person who wants it."""
    at = permit.next_slot_at
    when = f" The next slot is free at {at.astimezone(UTC):%Y-%m-%d %H:%M} UTC." if at else ""
    return f"its limit stands in the way: {permit.reason}.{when} Choose another action, or deny"


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


def _refused(approval: Approval, message: str) -> DecisionAnswer:
    return DecisionAnswer(
        accepted=False,
        state=approval.state,
        decided_by=approval.decided_by,
        decided_at=approval.decided_at,
        message=message,
    )
