"""Actions on containers of this node. Every one acts on the full id that was looked at, never on a name."""

import asyncio
from collections.abc import Callable
from typing import Any

from adapters.actions.compose import Compose
from adapters.actions.container_client import ContainerClient, NotReachedError, RefusedError
from adapters.actions.replace import replace_container, why_not_replace
from domain.action import Action, ActionKind, ActionState, EffectResult, TargetState
from domain.errors import TransientError
from domain.ids import digest
from domain.inventory import Service, ServiceKind
from policy.params import STOP_WAIT

LOG_BYTES = 64_000
SETTLE_S = 1.5
RELOAD_TEST = "tiercel.reload.test"
RELOAD_SIGNAL = "tiercel.reload.signal"
_SIGNALS = frozenset({"HUP", "USR1", "USR2", "WINCH"})
_KINDS = frozenset(ActionKind)


class ContainerEffects:
    """Implements domain.ports.Effects and Logs for services of kind `container`.

    `reload_config` needs two labels on the running container: `tiercel.reload.test`, a command that tests its
    configuration ("nginx -t"), and `tiercel.reload.signal` (HUP, USR1, USR2 or WINCH).
    """

    def __init__(self, client: ContainerClient, compose: Compose, redact: Callable[[str], str]) -> None:
        self._client = client
        self._compose = compose
        self._redact = redact

    def supports(self, service: Service, kind: ActionKind) -> bool:
        """Containers of this node; compose_up needs a compose file."""
        fits = service.kind is ServiceKind.CONTAINER and self._client.knows(service.node) and kind in _KINDS
        return fits and (kind is not ActionKind.COMPOSE_UP or service.compose is not None)

    async def state(self, service: Service) -> TargetState:
        """Raises TransientError where the engine cannot be asked."""
        found = await self._client.inspect(service.node, service.target)
        return TargetState(running=False, status="missing") if found is None else state_of(found)

    async def rehearse(self, service: Service, kind: ActionKind) -> str:
        """Whether the action fits the state, and whether it could be carried out safely."""
        found = await self._client.inspect(service.node, service.target)
        status = "missing" if found is None else str(found["State"].get("Status"))
        if found is None and kind is not ActionKind.COMPOSE_UP:
            return f"there is no container {service.target}"
        if kind is ActionKind.UNPAUSE and status != "paused":
            return f"{service.id} is {status}, not paused"
        if kind is ActionKind.START and status in {"running", "paused", "restarting"}:
            return f"{service.id} is {status} already"
        if kind is ActionKind.RELOAD_CONFIG and found is not None:
            return await self._test_config(found)
        if kind in {ActionKind.RECREATE, ActionKind.COMPOSE_UP}:
            return self._redact(await self._why_not_recreate(service, found))
        return ""

    async def perform(self, service: Service, action: Action) -> EffectResult:
        """One attempt. Raises UnknownOutcomeError where the engine's answer never came."""
        found = await self._client.inspect(service.node, service.target)
        now = TargetState(running=False, status="missing") if found is None else state_of(found)
        before = action.before or now
        if found is None and action.kind is not ActionKind.COMPOSE_UP:
            return EffectResult(
                state=ActionState.FAILED, message=f"there is no container {service.target}", before=before
            )
        if before.identity and now.identity and before.identity != now.identity:
            message = "nothing was done: the container was replaced by another one in the meantime"
            return EffectResult(state=ActionState.FAILED, message=message, before=before, after=now)
        try:
            message = await self._carry_out(service, action, found)
        except (NotReachedError, RefusedError) as e:
            failed = self._redact(str(e))
            return EffectResult(
                state=ActionState.FAILED, message=failed, before=before, after=await self._after(service)
            )
        after = await self._settled(service)
        if after is not None and not after.running:
            failed = f"{action.kind} was carried out, but the container is {after.status} now. {after.detail}".strip()
            return EffectResult(state=ActionState.FAILED, message=failed, before=before, after=after)
        return EffectResult(state=ActionState.DONE, message=self._redact(message), before=before, after=after)

    async def reconcile(self, service: Service, action: Action) -> EffectResult:
        """Compare id and start time with those before."""
        before, after = action.before, await self.state(service)
        same = before is not None and before.identity == after.identity
        if action.kind in {ActionKind.RECREATE, ActionKind.COMPOSE_UP}:
            took = after.running and not same
        elif action.kind is ActionKind.UNPAUSE:
            took = after.running
        elif action.kind is ActionKind.RELOAD_CONFIG:
            took = False
        else:
            took = after.running and before is not None and (not same or before.started_at != after.started_at)
        if took:
            return EffectResult(
                state=ActionState.DONE, message="found in effect afterwards", before=before, after=after
            )
        message = f"found without effect: the container is {after.status}"
        return EffectResult(state=ActionState.FAILED, message=message, before=before, after=after)

    async def tail(self, service: Service, lines: int = 100) -> str:
        """At most 64 kB. Raises TransientError where the engine cannot be asked."""
        wanted = max(1, min(lines, 1000))
        raw: bytes = await self._client.call(
            lambda api: api.logs(service.target, stdout=True, stderr=True, timestamps=True, tail=wanted)
        )
        return self._redact(raw[-LOG_BYTES:].decode("utf-8", "replace"))

    # ------------------------------------------------------------ steps

    async def _carry_out(self, service: Service, action: Action, found: dict[str, Any] | None) -> str:
        container = str(found["Id"]) if found else ""
        match action.kind:
            case ActionKind.RESTART:
                wait_s = int(action.params.get(STOP_WAIT.name, STOP_WAIT.usual))
                await self._client.act(lambda api: api.restart(container, timeout=wait_s))
                return "restarted"
            case ActionKind.START:
                await self._client.act(lambda api: api.start(container))
                return "started"
            case ActionKind.UNPAUSE:
                await self._client.act(lambda api: api.unpause(container))
                return "unpaused"
            case ActionKind.RELOAD_CONFIG:
                return await self._reload(found or {})
            case ActionKind.RECREATE | ActionKind.COMPOSE_UP:
                return await self._recreate(service, action.kind, found)

    async def _reload(self, found: dict[str, Any]) -> str:
        failure = await self._test_config(found)
        if failure:
            raise RefusedError(failure)
        signal = _labels(found)[RELOAD_SIGNAL]
        await self._client.act(lambda api: api.kill(found["Id"], f"SIG{signal}"))
        return f"the configuration passed its test and SIG{signal} was sent"

    async def _test_config(self, found: dict[str, Any]) -> str:
        labels = _labels(found)
        test, signal = labels.get(RELOAD_TEST, ""), labels.get(RELOAD_SIGNAL, "")
        if not test or signal not in _SIGNALS:
            return f"the container does not say how to reload; give it the labels {RELOAD_TEST} and {RELOAD_SIGNAL}"
        if not found["State"].get("Running"):
            return "the container does not run, so its configuration cannot be tested"
        created: dict[str, Any] = await self._client.call(lambda api: api.exec_create(found["Id"], test))
        output: bytes = await self._client.call(lambda api: api.exec_start(created["Id"]))
        ended: dict[str, Any] = await self._client.call(lambda api: api.exec_inspect(created["Id"]))
        if ended.get("ExitCode") == 0:
            return ""
        return self._redact(f"its configuration is invalid: {output[-500:].decode('utf-8', 'replace').strip()}")

    async def _why_not_recreate(self, service: Service, found: dict[str, Any] | None) -> str:
        if service.compose is not None and await self._compose.available():
            return await self._compose.why_not(service.compose, found)
        if found is None:
            return "the container is gone, and Docker's compose plugin is not here to create it; install docker-compose-plugin"
        return why_not_replace(found)

    async def _recreate(self, service: Service, kind: ActionKind, found: dict[str, Any] | None) -> str:
        reason = await self._why_not_recreate(service, found)
        if reason:
            raise RefusedError(reason)
        if service.compose is not None and await self._compose.available():
            return await self._compose.up(service.compose, force=kind is ActionKind.RECREATE)
        return await replace_container(self._client, found or {})

    async def _settled(self, service: Service) -> TargetState | None:
        """The state after a moment: what cannot run ends right after its start, and was "running" until then."""
        after = await self._after(service)
        for _ in range(int(SETTLE_S / 0.1)):
            if after is None or not after.running:
                break
            await asyncio.sleep(0.1)
            after = await self._after(service)
        return after

    async def _after(self, service: Service) -> TargetState | None:
        try:
            return await self.state(service)
        except TransientError:
            return None


def state_of(found: dict[str, Any]) -> TargetState:
    """The engine's JSON in the product's words."""
    state: dict[str, Any] = found.get("State") or {}
    config: dict[str, Any] = found.get("Config") or {}
    health: dict[str, Any] = state.get("Health") or {}
    details = [f"exit code {state.get('ExitCode')}" if not state.get("Running") else "", str(state.get("Error") or "")]
    details.append(f"health {health['Status']}" if health.get("Status") else "")
    return TargetState(
        running=bool(state.get("Running")) and not state.get("Paused"),
        status=str(state.get("Status", "unknown")),
        identity=str(found.get("Id", "")),
        started_at=str(state.get("StartedAt", "")),
        config_digest=digest({"image": found.get("Image"), "config": config, "host": found.get("HostConfig")})[:16],
        detail=", ".join(d for d in details if d),
    )


def _labels(found: dict[str, Any]) -> dict[str, str]:
    config: dict[str, Any] = found.get("Config") or {}
    return config.get("Labels") or {}
