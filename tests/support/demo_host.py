"""A real demo host for tests: started once per module, its services probed and acted on as the product does it."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from adapters.actions.units import UnitEffects
from adapters.inventory.source import RepositorySource
from adapters.probes.runner import ProbeRunner
from config.clock import SystemClock
from demo.host import HostHandle, remove_host, start_host
from domain.action import Action, ActionKind, CooldownClass, EffectResult, Risk, TargetState
from domain.health import ProbeResult, ProbeStatus
from domain.ids import ActionId, IncidentId, SessionId
from domain.inventory import Inventory, Service


class World:
    """A host, its inventory as read from its own repository, and the adapters that look and act."""

    def __init__(self, host: HostHandle, inventory: Inventory, prober: ProbeRunner) -> None:
        self.host = host
        self.inventory = inventory
        self.prober = prober
        self.effects = UnitEffects(host.client, str)

    def service(self, name: str) -> Service:
        found = self.inventory.resolve(name)
        assert found is not None, f"{name} is not in the inventory"
        return found

    async def look(self, name: str) -> dict[str, ProbeResult]:
        """Probe results by probe name."""
        return {r.probe: r for r in await self.prober.probe(self.service(name))}

    async def failing(self, services: Sequence[Service] | None = None) -> dict[str, str]:
        """What is not green, with its summary."""
        results = await self.prober.probe_all(services or self.inventory.services)
        return {f"{r.service} {r.probe}": r.summary for r in results if r.status != ProbeStatus.OK}

    async def until_green(self, limit_s: float = 25.0) -> None:
        """Wait until all probes of all services are green."""
        end = time.monotonic() + limit_s
        while failing := await self.failing():
            assert time.monotonic() < end, failing
            await asyncio.sleep(0.2)

    async def until_failing(self, name: str, limit_s: float = 25.0) -> dict[str, ProbeResult]:
        """Wait until a probe of the service fails."""
        end = time.monotonic() + limit_s
        while True:
            seen = await self.look(name)
            if any(r.status == ProbeStatus.FAIL for r in seen.values()):
                return seen
            assert time.monotonic() < end, f"{name} does not fail"
            await asyncio.sleep(0.1)

    async def act(self, name: str, kind: ActionKind) -> EffectResult:
        """State, then one attempt, as the product does it."""
        service = self.service(name)
        return await self.effects.perform(service, action(service, kind, await self.effects.state(service)))


def action(service: Service, kind: ActionKind, before: TargetState | None) -> Action:
    """An action as it reaches the adapter."""
    return Action(
        id=ActionId("act_test"),
        incident=IncidentId("inc_test"),
        session=SessionId("session"),
        tool_use_id="toolu_1",
        tier=2,
        kind=kind,
        target=service.id,
        risk=Risk.LOW,
        reversible=True,
        cooldown_class=CooldownClass.RESTART,
        requested_at=datetime.now(UTC),
        before=before,
    )


def _impatient(inventory: Inventory) -> Inventory:
    """The declared probes with shorter time limits, so that looking at a hung service does not take a test's time."""

    def shorter(service: Service) -> Service:
        probes = tuple(p.model_copy(update={"timeout_s": min(p.timeout_s, 1.2)}) for p in service.probes)
        return service.model_copy(update={"probes": probes})

    return inventory.model_copy(update={"services": tuple(shorter(s) for s in inventory.services)})


@asynccontextmanager
async def demo_world() -> AsyncIterator[World]:
    """A fresh host in a folder of its own; nothing of it is left afterwards."""
    root = Path(tempfile.mkdtemp(prefix="tiercel-demo-test-"))
    host = await start_host(root)
    prober = ProbeRunner(clock=SystemClock(), redact=str, units=host.client, environ={})
    try:
        yield World(host, _impatient(await RepositorySource(host.repos).read()), prober)
    finally:
        await prober.close()
        await host.stop()
        await remove_host(root)
