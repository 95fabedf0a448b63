"""The one attempt at an effect, the look at what became of it, and the account of its permit."""

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.actions import ActionActivities
from activities.ledger import PermitActivities
from domain.action import Action, ActionState, EffectResult
from domain.work import Performed, PerformOrder, SettleOrder
from policy import notices
from workflows import options
from workflows.case import Case, Clerk
from workflows.notices import tell


class Effects:
    """Performs what the desk permitted."""

    def __init__(self, case: Case, clerk: Clerk) -> None:
        self._case = case
        self._clerk = clerk

    async def perform_once(self, action: Action) -> Performed:
        """One attempt. Where its outcome is not known, it is looked up, never repeated."""
        order = PerformOrder(action=action)
        try:
            performed = await workflow.execute_activity_method(
                ActionActivities.perform, order, **options.EFFECT, summary=f"{action.kind} {action.target}"
            )
        except ActivityError as e:
            workflow.logger.warning("an effect's outcome is not known: %s", e.cause)
            performed = Performed(
                action=action, result=EffectResult(state=ActionState.UNKNOWN, message="the attempt was interrupted")
            )
        if performed.result.state != ActionState.UNKNOWN:
            return performed
        await self._clerk.action(
            performed.action.model_copy(update={"state": ActionState.UNKNOWN, "message": performed.result.message}),
            f"{action.kind} {action.target}: outcome unknown, looking it up",
        )
        try:
            return await workflow.execute_activity_method(
                ActionActivities.reconcile, order, **options.RECONCILE, summary=f"look up {action.kind} {action.target}"
            )
        except ActivityError as e:
            message = f"its outcome could not be looked up: {e.cause or e}"[:500]
            await tell(notices.outcome_unknown(self._case.start.incident, performed.action, message))
            return Performed(action=performed.action, result=EffectResult(state=ActionState.UNKNOWN, message=message))

    async def settle(self, action: Action, outcome: str, *, confirmed: bool) -> None:
        """A permit that cannot be settled goes on counting, which is the safe side."""
        if action.permit is None:
            return
        settle = SettleOrder(service=action.target, permit=action.permit, confirmed=confirmed, outcome=outcome)
        try:
            await workflow.execute_activity_method(PermitActivities.settle_permit, settle, **options.PERMIT)
        except ActivityError as e:
            workflow.logger.warning("a permit could not be settled and goes on counting: %s", e.cause)
