"""The scripted book against the real services: each fault is played with what the tools really say."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from demo.faults import FAULTS, Fault
from demo.model.scenario import Conversation, Scenario, Turn, choose, load
from demo.stage import SCENARIOS
from domain.action import ActionKind
from domain.health import ServiceHealth
from domain.ids import ServiceId
from domain.incident import IncidentState
from domain.inventory import Inventory
from domain.session import TierReport
from gateway.observer import Observer
from tests.support.demo_host import World, demo_world

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.postgres]
SCRIPTED = [name for name, fault in FAULTS.items() if fault.ends is not None]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[World]:
    async with demo_world() as made:
        yield made


class Records:
    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory

    async def load_inventory(self) -> Inventory:
        return self._inventory

    async def health(self) -> dict[ServiceId, ServiceHealth]:
        return {}


class Session:
    """Plays one tier: the book chooses, the real tools answer."""

    def __init__(self, world: World, book: Scenario) -> None:
        self._world = world
        self._book = book
        self._observer = Observer(Records(world.inventory), world.prober, world.effects)
        self.done: list[ActionKind] = []

    async def play(self, tier: int, service: str) -> TierReport:
        turns = [Turn()]
        prompt = f"# Incident\n\nService: {service}\nAffected: nothing else known"
        for _ in range(12):
            chosen = choose(self._book, Conversation(tier=tier, prompt=prompt, turns=tuple(turns)))
            assert chosen is not None, f"tier {tier} has no more to say after: {turns[-1].tool_result}"
            if chosen.step.report is not None:
                return TierReport.model_validate(chosen.step.report)
            answers = [await self._tool(use.name, use.input) for use in chosen.step.use]
            turns.append(Turn(tool_result="\n".join(answers)))
        raise AssertionError("the book does not come to an end")

    async def _settle(self, target: str) -> None:
        """A busy machine takes a moment to answer again, and this book does not repeat a look."""
        for _ in range(50):
            if not await self._world.failing([self._world.service(target)]):
                return
            await asyncio.sleep(0.2)

    async def _tool(self, name: str, given: dict[str, object]) -> str:
        match name.rpartition("__")[2]:
            case "probe":
                return (await self._observer.probe(str(given["service"]))).text
            case "logs":
                return (await self._observer.logs(str(given["service"]), 40)).text
            case "act":
                kind = ActionKind(str(given["kind"]))
                refusal = await self._world.effects.rehearse(self._world.service(str(given["target"])), kind)
                if refusal:
                    return f"it would fail: {refusal}"
                self.done.append(kind)
                result = await self._world.act(str(given["target"]), kind)
                await self._settle(str(given["target"]))
                return result.message
            case _:
                return (await self._observer.services()).text


@pytest.mark.parametrize("name", SCRIPTED)
async def test_the_book_ends_every_fault_as_the_fault_says(world: World, name: str):
    fault: Fault = FAULTS[name]
    session = Session(world, load(SCENARIOS))
    await world.until_green()
    await fault.inject(world.host)
    await world.until_failing(fault.service)
    reports = [await session.play(1, fault.service)]
    while reports[-1].escalate and len(reports) < 3:
        reports.append(await session.play(len(reports) + 1, fault.service))
    assert reports[0].escalate
    if fault.ends is IncidentState.NEEDS_PERSON:
        assert len(reports) == 3
        assert reports[-1].escalate
        assert session.done == []
        assert "catalogue" in reports[-1].services[0].evidence[0]
        assert fault.heal is not None
        await fault.heal(world.host)
        return
    assert not reports[-1].escalate, reports[-1]
    assert len(reports) == fault.tier
    assert session.done
    assert set(session.done) <= set(fault.right)
    assert await world.failing([world.service(fault.service)]) == {}


async def test_a_user_of_a_broken_database_is_left_alone(world: World):
    session = Session(world, load(SCENARIOS))
    await world.until_green()
    await FAULTS["database-down"].inject(world.host)
    await world.until_failing("web")
    report = await session.play(2, "local/web")
    assert report.escalate
    assert "local/database" in report.services[0].cause
    assert session.done == []
    await world.act("database", ActionKind.START)
