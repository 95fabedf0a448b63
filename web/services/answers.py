"""A person's answer to an approval: approve, deny with the reason, or change it to another exact action.

The engine decides who was first. Where its answer does not come back in time, the record is asked what is true:
an answer that was taken must not be shown as an error.
"""

import uuid
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from adapters.engine.updates import AnsweredWithFaultError, WorkflowGoneError
from domain.base import Value
from domain.engine import UPDATE_DECIDE
from domain.errors import EngineUnavailableError
from domain.incident import Approval, ApprovalState, Change, Decision, DecisionAnswer
from policy.approvals import already

T = TypeVar("T")
OPEN = (
    "Temporal did not say in time whether it took your answer. It may still take it. Nothing is done twice: "
    "this page shows what holds as soon as it is known, and answering again is safe."
)
WHY = "Say in a few words why you deny it; the session and the next person read it."


class Actor(Value):
    """Who acts, and through what: `web` or `cli`."""

    kind: str
    name: str


class Act(Value):
    """What came of an act, in words for the person. `incident` where there is one to look at."""

    accepted: bool
    message: str
    incident: str = ""


class UnansweredError(EngineUnavailableError):
    """The engine was asked and did not answer in time: what it was asked for may still happen."""


class Update(Protocol):
    """Asks a workflow, and gives up after the patience of a person."""

    async def __call__(self, workflow_id: str, name: str, arg: Value, result: type[T], update_id: str = "") -> T: ...


class Answers:
    """Carries answers to the escalation that asked."""

    def __init__(
        self,
        update: Update,
        audit: Callable[[Actor, str, str, dict[str, object]], Awaitable[None]],
        look: Callable[[str], Awaitable[Approval | None]],
    ) -> None:
        self._update = update
        self._audit = audit
        self._look = look

    async def decide(
        self,
        approval: Approval,
        *,
        digest: str,
        approve: bool,
        reason: str,
        actor: Actor,
        how: str = "",
        change: Change | None = None,
    ) -> Act:
        """Answer one approval. The first answer wins; a later one is told who gave it, and when."""
        reason = reason.strip()
        if not approve and not reason:
            return Act(accepted=False, message=WHY, incident=approval.incident)
        decision = Decision(
            approval=approval.id,
            digest=digest,
            approve=approve,
            actor=actor.name,
            reason=reason,
            how=how or actor.kind,
            change=change,
        )
        update_id = f"{UPDATE_DECIDE}:{uuid.uuid4().hex}"
        try:
            answer = await self._update(approval.workflow_id, UPDATE_DECIDE, decision, DecisionAnswer, update_id)
        except (WorkflowGoneError, UnansweredError) as e:
            answer = await self._from_record(approval, decision, gone=isinstance(e, WorkflowGoneError))
        except AnsweredWithFaultError as e:
            return Act(accepted=False, message=f"Not taken: {e}", incident=approval.incident)
        detail: dict[str, object] = {"answer": _verb(decision), "accepted": answer.accepted, "digest": digest}
        detail |= {"reason": reason, "state": answer.state, "how": decision.how}
        if change is not None:
            detail["change"] = change.model_dump(mode="json")
        await self._audit(actor, "approval.answered", approval.id, detail)
        return Act(accepted=answer.accepted, message=_words(answer, decision), incident=approval.incident)

    async def _from_record(self, asked: Approval, decision: Decision, *, gone: bool) -> DecisionAnswer:
        """What is true, where the engine cannot say it."""
        now = await self._look(asked.id) or asked
        mine = now.decided_by == decision.actor and now.decided_how == decision.how and now.reason == decision.reason
        wanted = _state_of(decision)
        if now.state == ApprovalState.PENDING:
            message = "The incident is already over; nothing is done." if gone else OPEN
            return DecisionAnswer(accepted=False, state=now.state, message=message)
        return DecisionAnswer(
            accepted=mine and now.state == wanted,
            state=now.state,
            decided_by=now.decided_by,
            decided_at=now.decided_at,
            message=already(now) if not mine or now.state != wanted else f"{now.state} by {now.decided_by}",
        )


def _state_of(decision: Decision) -> ApprovalState:
    if not decision.approve:
        return ApprovalState.DENIED
    return ApprovalState.APPROVED if decision.change is None else ApprovalState.CHANGED


def _verb(decision: Decision) -> str:
    if not decision.approve:
        return "deny"
    return "approve" if decision.change is None else "change"


def _words(answer: DecisionAnswer, decision: Decision) -> str:
    if not answer.accepted:
        text = answer.message or f"already {answer.state} by {answer.decided_by or 'nobody'}"
        return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith((".", "!", "?")) else ".")
    match answer.state:
        case ApprovalState.APPROVED:
            return "Approved. The session goes on now."
        case ApprovalState.CHANGED:
            what = decision.change
            return f"Changed to {what.kind} {what.target}. The session goes on now." if what else "Changed."
        case _:
            return "Denied. The session is told why."
