"""Actions on units: processes that a node's service manager runs."""

from collections.abc import Callable
from typing import Any

from adapters.actions.unit_client import NotReachedError, UnitClient
from domain.action import Action, ActionKind, ActionState, EffectResult, TargetState
from domain.errors import TransientError, UnknownOutcomeError
from domain.inventory import Service, ServiceKind

ACT_TIMEOUT_S = 90.0
LOG_BYTES = 64_000

_OPERATIONS = {
    ActionKind.RESTART: "restart",
    ActionKind.START: "start",
    ActionKind.UNPAUSE: "unpause",
    ActionKind.RELOAD_CONFIG: "reload",
    ActionKind.RECREATE: "recreate",
}
# These read the configuration as it lies there; a recreate writes it anew from the declaration.
_READS_CONFIG = frozenset({ActionKind.RESTART, ActionKind.START, ActionKind.RELOAD_CONFIG})


class UnitEffects:
    """Implements domain.ports.Effects and Logs for services of kind `unit`."""

    def __init__(self, client: UnitClient, redact: Callable[[str], str]) -> None:
        self._client = client
        self._redact = redact

    def supports(self, service: Service, kind: ActionKind) -> bool:
        """Units of nodes whose manager is configured."""
        return service.kind is ServiceKind.UNIT and kind in _OPERATIONS and self._client.knows(service.node)

    async def state(self, service: Service) -> TargetState:
        """Raises TransientError where the manager cannot be asked."""
        state = await self._client.look(service.node, service.target)
        return (
            TargetState(running=False, status="unknown to its service manager") if state is None else self._clean(state)
        )

    async def rehearse(self, service: Service, kind: ActionKind) -> str:
        """Tests the configuration before anything that would read it, and whether the action fits the state."""
        state = await self.state(service)
        if state.status.startswith("unknown"):
            return f"the service manager knows no unit {service.target}"
        if kind is ActionKind.UNPAUSE and state.status != "paused":
            return f"{service.id} is {state.status}, not paused"
        if kind is ActionKind.START and (state.running or state.status == "paused"):
            return f"{service.id} is {state.status} already"
        if kind is ActionKind.RELOAD_CONFIG and not state.running:
            return f"{service.id} is {state.status}; only a running service can read its configuration again"
        if kind not in _READS_CONFIG:
            return ""
        answer = await self._client.ask(service.node, "test_config", service.target)
        if not answer.get("ok"):
            return self._redact(str(answer.get("message", "the configuration could not be tested")))
        return "" if answer.get("valid") else self._redact(f"its configuration is invalid: {answer.get('message')}")

    async def perform(self, service: Service, action: Action) -> EffectResult:
        """One order to the manager, which refuses it when the unit is no longer the one that was looked at."""
        before = action.before or await self.state(service)
        try:
            answer = await self._client.act(
                service.node, _OPERATIONS[action.kind], service.target, ACT_TIMEOUT_S, expect=before.identity
            )
        except NotReachedError as e:
            return EffectResult(state=ActionState.FAILED, message=f"nothing was done: {e}", before=before)
        after = _state_of(answer)
        message = self._redact(str(answer.get("message", "")))
        done = ActionState.DONE if answer.get("ok") else ActionState.FAILED
        return EffectResult(state=done, message=message, before=before, after=after and self._clean(after))

    async def reconcile(self, service: Service, action: Action) -> EffectResult:
        """Compare the process with the one before. Raises UnknownOutcomeError where the manager is still at work."""
        before, after = action.before, await self.state(service)
        if after.status in {"starting", "stopping"}:
            raise UnknownOutcomeError(f"{service.id} is {after.status}; look again in a moment")
        return judge(action.kind, before, after)

    async def tail(self, service: Service, lines: int = 100) -> str:
        """At most 64 kB. Raises TransientError where the manager cannot be asked."""
        answer = await self._client.ask(service.node, "logs", service.target, lines=max(1, min(lines, 1000)))
        if not answer.get("ok"):
            raise TransientError(f"the log of {service.id} cannot be read: {answer.get('message')}")
        raw = str(answer.get("text", "")).encode()[-LOG_BYTES:]
        return self._redact(raw.decode("utf-8", "ignore"))

    def _clean(self, state: TargetState) -> TargetState:
        return state.model_copy(update={"detail": self._redact(state.detail)})


def judge(kind: ActionKind, before: TargetState | None, after: TargetState) -> EffectResult:
    """What the difference between two states says about an action whose answer never came."""
    replaced = after.running and (before is None or after.identity != before.identity)
    changed = before is not None and after.config_digest != before.config_digest
    if kind is ActionKind.UNPAUSE:
        took = after.running and after.status != "paused"
    elif kind is ActionKind.RELOAD_CONFIG:
        took = False  # nothing outside tells whether a process has read a file again
    else:
        took = replaced
    if took:
        return EffectResult(state=ActionState.DONE, message="found in effect afterwards", before=before, after=after)
    if changed or not after.running:
        message = f"it was begun and left the service {after.status}"
    elif kind is ActionKind.RELOAD_CONFIG:
        message = "whether the configuration was read again cannot be seen from outside"
    else:
        message = "found without effect: the same process runs on"
    return EffectResult(state=ActionState.FAILED, message=message, before=before, after=after)


def _state_of(answer: dict[str, Any]) -> TargetState | None:
    raw = answer.get("state")
    return TargetState.model_validate(raw) if isinstance(raw, dict) else None
