"""One port for all kinds of service: chooses who can act on it. What is external is watched, never touched."""

from collections.abc import Callable

from adapters.actions.compose import Compose
from adapters.actions.container_client import ContainerClient
from adapters.actions.containers import ContainerEffects
from adapters.actions.unit_client import UnitClient
from adapters.actions.units import UnitEffects
from config.settings import Settings
from domain.action import Action, ActionKind, EffectResult, TargetState
from domain.errors import FatalError
from domain.ids import LOCAL_NODE
from domain.inventory import Service, ServiceKind


class EffectRouter:
    """Implements domain.ports.Effects and Logs. `unit_look` and `container_look` are for the probe runner."""

    def __init__(
        self, units: UnitEffects, containers: ContainerEffects, unit_look: UnitClient, container_look: ContainerClient
    ) -> None:
        self._by_kind = {ServiceKind.UNIT: units, ServiceKind.CONTAINER: containers}
        self.unit_look = unit_look
        self.container_look = container_look

    @classmethod
    def from_settings(cls, settings: Settings, redact: Callable[[str], str]) -> "EffectRouter":
        """The managers and engines that the owner's settings name."""
        sockets = {LOCAL_NODE: settings.units_socket} if settings.units_socket else {}
        units, engine = UnitClient(sockets), ContainerClient(settings.docker_host)
        compose = Compose(settings.docker_host)
        return cls(UnitEffects(units, redact), ContainerEffects(engine, compose, redact), units, engine)

    def supports(self, service: Service, kind: ActionKind) -> bool:
        """False for every external service."""
        effects = self._by_kind.get(service.kind)
        return effects is not None and kind in service.actions and effects.supports(service, kind)

    async def state(self, service: Service) -> TargetState:
        """Raises TransientError where its node cannot be asked."""
        return await self._of(service).state(service)

    async def rehearse(self, service: Service, kind: ActionKind) -> str:
        """Why the action would fail; empty where nothing speaks against it."""
        return await self._of(service).rehearse(service, kind)

    async def perform(self, service: Service, action: Action) -> EffectResult:
        """One attempt. The last look at what the owner allows here is made right before the effect."""
        if not self.supports(service, action.kind):
            raise FatalError(f"{action.kind} is not allowed on {service.id}; nothing was done")
        return await self._of(service).perform(service, action)

    async def reconcile(self, service: Service, action: Action) -> EffectResult:
        """Look, never act."""
        return await self._of(service).reconcile(service, action)

    async def tail(self, service: Service, lines: int = 100) -> str:
        """The newest log lines. Raises TransientError where its node cannot be asked."""
        return await self._of(service).tail(service, lines)

    def close(self) -> None:
        """Let go of connections."""
        self.container_look.close()

    def _of(self, service: Service) -> UnitEffects | ContainerEffects:
        effects = self._by_kind.get(service.kind)
        if effects is None:
            raise FatalError(f"{service.id} is external: it is watched, never acted upon")
        return effects
