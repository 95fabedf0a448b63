"""Judging a session's wish, performing an action once, and looking up what became of it."""

import asyncio
from contextlib import suppress

from temporalio import activity

from activities.beat import beating
from activities.errors import mapped
from domain.action import Action, ActionState, EffectResult
from domain.errors import TransientError, UnknownOutcomeError, UnknownServiceError
from domain.ids import ServiceId, action_id, permit_id
from domain.inventory import Service
from domain.ledger import PermitRequest
from domain.ports import Clock, Effects, HealthRecords, IncidentRecords, Prober
from domain.work import Performed, PerformOrder, Weighed, WeighOrder
from policy import actions, health


class ActionActivities:
    """The only activities that can change the world, one attempt each."""

    def __init__(
        self,
        effects: Effects,
        prober: Prober,
        health_records: HealthRecords,
        records: IncidentRecords,
        clock: Clock,
        *,
        dry_run: bool = False,
    ) -> None:
        self._effects = effects
        self._prober = prober
        self._health = health_records
        self._records = records
        self._clock = clock
        self._dry_run = dry_run

    @activity.defn
    @mapped
    async def weigh(self, order: WeighOrder) -> Weighed:
        """Resolve the target, apply policy, and where asked look at the world just before the effect."""
        inventory = await self._health.load_inventory()
        request = order.request
        verdict = actions.judge(
            inventory, frozenset(order.services), order.tier, request.kind, request.target, dict(request.params)
        )
        if verdict.kind is None or verdict.target is None or verdict.rule is None:
            return Weighed(decision="deny", reason=verdict.reason)
        action = self._action(order, verdict)
        if verdict.decision == "deny":
            return Weighed(decision="deny", reason=verdict.reason, action=action)
        service = inventory.by_id(verdict.target)
        if service is None or not self._effects.supports(service, verdict.kind):
            return Weighed(decision="deny", reason=f"nothing here can {verdict.kind} {verdict.target}", action=action)
        weighed = Weighed(
            decision="allow" if order.approved else verdict.decision,
            action=action,
            blast=actions.blast_radius(inventory, verdict.target, verdict.kind),
            permit=self._permit(order, action, service),
        )
        if not order.rehearse:
            return weighed
        return await self._look_once_more(order, weighed, action, service)

    async def _look_once_more(self, order: WeighOrder, weighed: Weighed, action: Action, service: Service) -> Weighed:
        async with beating():
            if await self._healthy_now(order.services or (service.id,)):
                reason = "its probes are green now, so there is nothing to repair; report what you found"
                return weighed.model_copy(update={"decision": "deny", "reason": reason, "healthy_now": True})
            failure = await self._effects.rehearse(service, action.kind)
        if failure:
            return weighed.model_copy(update={"decision": "deny", "reason": f"it would fail: {failure}"})
        return weighed

    def _action(self, order: WeighOrder, verdict: actions.Verdict) -> Action:
        assert verdict.kind  # noqa: S101 - all three are checked by the caller; for the type checker
        assert verdict.target  # noqa: S101
        assert verdict.rule  # noqa: S101
        request = order.request
        aid = action_id(request.session, request.tool_use_id)
        return Action(
            id=aid,
            incident=order.incident,
            session=request.session,
            tool_use_id=request.tool_use_id,
            tier=order.tier,
            kind=verdict.kind,
            target=verdict.target,
            params=verdict.params,
            reason=request.reason[:500],
            risk=verdict.rule.risk,
            reversible=verdict.rule.reversible,
            cooldown_class=verdict.rule.cooldown_class,
            permit=permit_id(aid),
            requested_at=self._clock.now(),
        )

    def _permit(self, order: WeighOrder, action: Action, service: Service) -> PermitRequest:
        return PermitRequest(
            id=permit_id(action.id),
            service=action.target,
            kind=action.kind,
            cooldown_class=action.cooldown_class,
            rule=actions.cooldown_rule(order.policy, service.limits, action.cooldown_class),
            holder=order.incident,
        )

    async def _healthy_now(self, services: tuple[ServiceId, ...]) -> bool:
        inventory = await self._health.load_inventory()
        chosen = [s for s in inventory.services if s.id in services and s.probes]
        results = await self._prober.probe_all(chosen)
        return bool(chosen) and all(health.is_green([r for r in results if r.service == s.id]) for s in chosen)

    @activity.defn
    @mapped
    async def perform(self, order: PerformOrder) -> Performed:
        """One attempt. The intent and the state before are in the record before anything happens."""
        if self._dry_run:
            # An incident that was opened before the owner switched to dry run still believes that it may act.
            message = f"dry run: {order.action.kind} {order.action.target} would have been done; nothing was done"
            return Performed(action=order.action, result=EffectResult(state=ActionState.DRY_RUN, message=message))
        service = await self._service(order.action.target)
        async with beating():
            before = await self._effects.state(service)
            action = order.action.model_copy(update={"state": ActionState.PERFORMING, "before": before})
            if not await self._records.begin_action(action):
                message = "nothing was done: this attempt came too late"
                return Performed(action=order.action, result=EffectResult(state=ActionState.FAILED, message=message))
            return Performed(action=action, result=await self._to_its_end(service, action))

    async def _to_its_end(self, service: Service, action: Action) -> EffectResult:
        """A worker that stops waits for the effect, which has a time limit of its own.

        Cut off in the middle it would go on unseen, and looking at it too early would call it without effect.
        """
        effect = asyncio.create_task(self._attempt(service, action))
        while not effect.done():
            with suppress(asyncio.CancelledError):
                await asyncio.shield(effect)
        return effect.result()

    async def _attempt(self, service: Service, action: Action) -> EffectResult:
        try:
            return await self._effects.perform(service, action)
        except (UnknownOutcomeError, TransientError) as e:
            return EffectResult(state=ActionState.UNKNOWN, message=str(e), before=action.before)

    @activity.defn
    @mapped
    async def reconcile(self, order: PerformOrder) -> Performed:
        """Look, never act: did an action whose end is not known take effect?

        The state before comes from the record, because the attempt that wrote it may have died with its worker.
        An action that never reached the record had no effect.
        """
        service = await self._service(order.action.target)
        known = await self._records.find_action(order.action.id)
        if known is None or known.before is None:
            message = "it was never begun: the worker stopped before the effect"
            return Performed(action=order.action, result=EffectResult(state=ActionState.FAILED, message=message))
        async with beating():
            result = await self._effects.reconcile(service, known)
        return Performed(action=known, result=result)

    async def _service(self, target: ServiceId) -> Service:
        inventory = await self._health.load_inventory()
        service = inventory.by_id(target)
        if service is None:
            raise UnknownServiceError(f"{target} is no longer in the inventory; run a patrol and look at its problems")
        return service
