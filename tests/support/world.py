"""A small world for tests of workflows: services that are up or down, effects that heal them, people who are told.

Only what lies outside of Tiercel is simulated here. Workflows, activities, policy and the Temporal server are real.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from domain.action import Action, ActionKind, ActionState, EffectResult, TargetState
from domain.errors import FatalError, UnknownOutcomeError
from domain.health import HttpProbe, ProbeResult, ProbeStatus
from domain.ids import ServiceId
from domain.inventory import Inventory, Service, ServiceKind
from domain.notice import Delivery, Notice

ALL_KINDS = tuple(ActionKind)


def a_service(name: str, **fields: object) -> Service:
    """A unit on the local node with one HTTP probe that allows everything."""
    values: dict[str, object] = {
        "id": ServiceId(f"local/{name}"),
        "name": name,
        "kind": ServiceKind.UNIT,
        "target": name,
        "probes": (HttpProbe(name="http", url="http://127.0.0.1:1/healthz"),),
        "actions": ALL_KINDS,
    }
    return Service.model_validate(values | fields)


@dataclass
class World:
    """What is up, what was done, who was told. Times come from `clock`."""

    services: list[Service]
    down: set[str] = field(default_factory=set[str])
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    heals: Callable[[Action], bool] = lambda _: True
    performed: list[Action] = field(default_factory=list[Action])
    told: list[Notice] = field(default_factory=list[Notice])
    generation: dict[str, int] = field(default_factory=dict[str, int])
    interrupt_next: str = ""  # "before", "after": the next effect's outcome is unknown; "dies": its worker is gone
    blind: bool = False  # nobody can tell what became of an effect
    begun: int = 0  # effects that were asked for, the waiting ones too
    effect_waits: asyncio.Event | None = None  # until it is set, effects do not begin
    rehearsal: str = ""
    probes_run: int = 0
    on_probe: Callable[["World"], None] = lambda _: None

    def now(self) -> datetime:
        """Implements Clock."""
        return self.clock()

    async def read(self) -> Inventory:
        """Implements InventorySource."""
        return Inventory(services=tuple(self.services))

    async def probe(self, service: Service) -> tuple[ProbeResult, ...]:
        """Implements Prober."""
        return await self.probe_all([service])

    async def probe_all(self, services: Sequence[Service]) -> tuple[ProbeResult, ...]:
        """Implements Prober."""
        self.probes_run += 1
        self.on_probe(self)
        return tuple(self._result(s) for s in services)

    def _result(self, service: Service) -> ProbeResult:
        bad = service.id in self.down
        return ProbeResult(
            service=service.id,
            probe="http",
            kind="http",
            status=ProbeStatus.FAIL if bad else ProbeStatus.OK,
            at=self.now(),
            latency_ms=1.0,
            summary="no answer within 5 s" if bad else "200",
        )

    def supports(self, service: Service, kind: ActionKind) -> bool:
        """Implements Effects."""
        return kind in service.actions

    async def state(self, service: Service) -> TargetState:
        """Implements Effects."""
        return TargetState(running=True, status="running", identity=str(self.generation.get(service.id, 0)))

    async def rehearse(self, service: Service, kind: ActionKind) -> str:
        """Implements Effects."""
        del service, kind
        return self.rehearsal

    async def perform(self, service: Service, action: Action) -> EffectResult:
        """Implements Effects."""
        if self.interrupt_next == "before":
            self.interrupt_next = ""
            raise UnknownOutcomeError("the connection was lost")
        self.begun += 1
        if self.effect_waits is not None:
            await self.effect_waits.wait()
        before = await self.state(service)
        self.performed.append(action)
        self.generation[service.id] = self.generation.get(service.id, 0) + 1
        if self.heals(action):
            self.down.discard(service.id)
        if self.interrupt_next == "dies":
            self.interrupt_next = ""
            raise RuntimeError("as if the worker had died here: no answer of ours gets out")
        if self.interrupt_next == "after":
            self.interrupt_next = ""
            raise UnknownOutcomeError("the connection was lost")
        return EffectResult(
            state=ActionState.DONE, message=f"{action.kind} done", before=before, after=await self.state(service)
        )

    async def reconcile(self, service: Service, action: Action) -> EffectResult:
        """Implements Effects."""
        if self.blind:
            raise FatalError("its node is gone")
        after = await self.state(service)
        took_effect = action.before is not None and action.before.identity != after.identity
        state = ActionState.DONE if took_effect else ActionState.FAILED
        return EffectResult(state=state, message="looked it up", before=action.before, after=after)

    def channels(self) -> tuple[str, ...]:
        """Implements Notifier."""
        return ("test",)

    async def send(self, channel: str, notice: Notice) -> Delivery:
        """Implements Notifier."""
        self.told.append(notice)
        return Delivery(channel=channel, delivered=True, message="ok")
