"""Small entities that stand in for the real workflows behind the same names, and count what reaches them."""

import asyncio

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from domain.action import ActionAnswer, ActionRequest, ActionState
    from domain.engine import (
        ESCALATION,
        LEDGER,
        SIGNAL_ALERT,
        SIGNAL_OBSERVED,
        UPDATE_ACQUIRE,
        UPDATE_ACT,
        UPDATE_CONFIRM,
        UPDATE_CONSIDER,
        UPDATE_RELEASE,
    )
    from domain.ids import action_id
    from domain.incident import Alert, EscalationInput, Observed
    from domain.ledger import LedgerStart, PermitAnswer, PermitOutcome, PermitRequest


@workflow.defn(name=LEDGER)
class CountingLedger:
    """Grants `limit` permits by id."""

    def __init__(self) -> None:
        self._granted: dict[str, PermitAnswer] = {}
        self._refuse_first = True
        self._ended: list[str] = []

    @workflow.run
    async def run(self, start: LedgerStart) -> None:
        await workflow.wait_condition(lambda: False)

    @workflow.update(name=UPDATE_ACQUIRE)
    async def acquire(self, request: PermitRequest) -> PermitAnswer:
        if request.holder == "fails once" and self._refuse_first:
            self._refuse_first = False
            raise ApplicationError("the record cannot be reached; ask again", type="RecordUnavailableError")
        if request.holder == "fails always":
            raise ApplicationError("no such thing", non_retryable=True)
        granted = sum(1 for a in self._granted.values() if a.granted) < request.rule.limit
        fresh = PermitAnswer(granted=granted, used=len(self._granted), limit=request.rule.limit)
        return self._granted.setdefault(request.id, fresh)

    @workflow.update(name=UPDATE_CONFIRM)
    async def confirm(self, outcome: PermitOutcome) -> bool:
        self._ended.append(f"confirm {outcome.id}")
        return True

    @workflow.update(name=UPDATE_RELEASE)
    async def release(self, outcome: PermitOutcome) -> bool:
        self._ended.append(f"release {outcome.id}")
        return True

    @workflow.query
    def counts(self) -> dict[str, int]:
        granted = sum(1 for a in self._granted.values() if a.granted)
        return {"granted": granted, "permits": len(self._granted)}

    @workflow.query
    def ended(self) -> list[str]:
        return self._ended


@workflow.defn(name=ESCALATION)
class CountingEscalation:
    """Considers and acts as the real desk does: one effect per tool call, however often it is asked."""

    def __init__(self) -> None:
        self._alerts: list[str] = []
        self._seen: list[bool] = []
        self._effects: dict[str, int] = {}
        self._considered = 0
        self._approved = False
        self._over = False
        self._lock = asyncio.Lock()
        self._start: EscalationInput | None = None

    @workflow.run
    async def run(self, start: EscalationInput) -> None:
        self._start = start
        await workflow.wait_condition(lambda: self._over)

    @workflow.signal(name=SIGNAL_ALERT)
    def alert(self, alert: Alert) -> None:
        self._alerts.append(alert.summary)

    @workflow.signal(name=SIGNAL_OBSERVED)
    def observed(self, seen: Observed) -> None:
        self._seen.append(seen.healthy)

    @workflow.signal
    def approve(self) -> None:
        self._approved = True

    @workflow.signal
    def end(self) -> None:
        self._over = True

    @workflow.update(name=UPDATE_CONSIDER)
    async def consider(self, request: ActionRequest) -> ActionAnswer:
        self._considered += 1
        aid = action_id(request.session, request.tool_use_id)
        if request.params.get("ask") and not self._approved:
            return ActionAnswer(action=aid, decision="defer", state=ActionState.WAITING, message="a person was asked")
        return ActionAnswer(action=aid, decision="allow", state=ActionState.REQUESTED, message="go on")

    @workflow.update(name=UPDATE_ACT)
    async def act(self, request: ActionRequest) -> ActionAnswer:
        aid = action_id(request.session, request.tool_use_id)
        if request.params.get("ask") and not self._approved:
            return ActionAnswer(action=aid, decision="deny", state=ActionState.WAITING, message="not yet")
        if request.params.get("fail"):
            raise ApplicationError("the desk is broken", non_retryable=True)
        async with self._lock:
            if aid not in self._effects:
                self._effects[aid] = 1
                if request.params.get("seconds"):
                    await workflow.sleep(float(request.params["seconds"]))
        return ActionAnswer(
            action=aid, decision="allow", state=ActionState.DONE, message=f"done: {request.kind} {request.target}"
        )

    @workflow.query
    def story(self) -> dict[str, int]:
        return {
            "alerts": len(self._alerts),
            "healthy": sum(self._seen),
            "effects": len(self._effects),
            "considered": self._considered,
        }

    @workflow.query
    def start(self) -> EscalationInput | None:
        return self._start
