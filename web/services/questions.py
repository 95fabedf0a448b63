"""What a person needs to answer an approval: the exact action in words, why it is risky, who asked, what else fits."""

import asyncio
from collections.abc import Sequence

from adapters.database.reads import Reads
from adapters.database.records import IncidentDetail
from domain.incident import Approval, ApprovalState, Change
from domain.inventory import Inventory
from policy import explain
from policy.explain import Preview
from web.viewmodels import Question


class Questions:
    """Reads around approvals."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads

    async def of(self, approvals: Sequence[Approval]) -> tuple[Question, ...]:
        """In the same order. One read of the inventory, three small ones per approval."""
        if not approvals:
            return ()
        inventory = await self._reads.inventory()
        return tuple(await asyncio.gather(*(self._question(a, inventory) for a in approvals)))

    async def preview(self, approval: Approval, change: Change) -> Preview:
        """What another action would be in its place. Nothing is asked of the engine."""
        inventory, incident = await asyncio.gather(self._reads.inventory(), self._reads.incident(approval.incident))
        return explain.preview(inventory, _services(incident), approval.action, change)

    async def _question(self, approval: Approval, inventory: Inventory) -> Question:
        action = approval.action
        incident, session, use = await asyncio.gather(
            self._reads.incident(approval.incident),
            self._reads.session(action.session),
            self._reads.model_use_of(approval.incident),
        )
        pending = approval.state == ApprovalState.PENDING
        return Question(
            approval=approval,
            command=explain.command(action, inventory.by_id(action.target)),
            risks=explain.risks(action, approval.blast),
            model=session.model if session else "",
            cost_usd=use.cost_usd,
            choices=explain.choices(inventory, _services(incident), action.tier, action.target) if pending else (),
        )


def _services(incident: IncidentDetail | None) -> frozenset[str]:
    return frozenset([incident.service, *incident.affected] if incident else []) - {""}
