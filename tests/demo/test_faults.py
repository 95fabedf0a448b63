"""Every fault on the real services: its symptom shows, the wrong remedies do not help, the right one does."""

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from adapters.inventory.draft import ALLOWED
from demo.faults import DEFAULT, FAULTS, find, listing
from domain.action import ActionKind, ActionState
from domain.errors import ConfigurationError
from domain.health import ProbeStatus
from domain.incident import IncidentState
from domain.inventory import ServiceKind
from tests.support.demo_host import World, demo_world

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.postgres]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[World]:
    async with demo_world() as made:
        yield made


async def test_the_declared_repository_has_no_problem_and_every_service_is_green(world: World):
    assert world.inventory.problems == ()
    assert {"local/database", "local/web", "local/worker"} <= {s.id for s in world.inventory.services}
    await world.until_green()
    notes = world.inventory.repositories[0]
    assert notes.playbooks == ("broken-configuration.md",)
    assert "falconer" in notes.manifest


def fetch(url: str, form: bytes | None = None) -> str:
    with urllib.request.urlopen(urllib.request.Request(url, data=form), timeout=5) as answer:
        return answer.read().decode()


async def test_the_shop_really_sells_and_ships(world: World):
    placed = await asyncio.to_thread(fetch, f"{world.host.web_url}orders", b"item=a+hood")
    shipped = f"<li>{json.loads(placed)['order']}: a hood, shipped"
    for _ in range(50):
        if shipped in await asyncio.to_thread(fetch, world.host.web_url):
            return
        await asyncio.sleep(0.1)
    pytest.fail("the order was not shipped")


REPAIRABLE = [f.name for f in FAULTS.values() if f.right]


@pytest.mark.parametrize("name", REPAIRABLE)
async def test_the_right_remedy_repairs_and_the_wrong_ones_do_not(world: World, name: str):
    fault = FAULTS[name]
    await world.until_green()
    await fault.inject(world.host)
    await world.until_failing(fault.service)
    service = world.service(fault.service)
    for kind in fault.wrong:
        await world.act(fault.service, kind)
        assert await world.failing([service]), f"{kind} was called wrong, but helped"
    assert await world.effects.rehearse(service, fault.right[0]) == ""
    result = await world.act(fault.service, fault.right[0])
    assert result.state == ActionState.DONE, result
    await world.until_green()


async def test_hung_is_invisible_to_port_and_process_checks(world: World):
    await world.until_green()
    await FAULTS["hung"].inject(world.host)
    seen = await world.until_failing("web")
    assert {n: r.status.value for n, r in seen.items()} == {"http": "fail", "tcp": "ok", "unit": "ok"}
    assert "hung: the port is open" in seen["http"].summary
    await world.act("web", ActionKind.RESTART)


async def test_a_crash_is_visible_to_all_of_them(world: World):
    await world.until_green()
    await FAULTS["crashed"].inject(world.host)
    await world.until_failing("web")
    seen = await world.look("web")
    assert {r.status for r in seen.values()} == {ProbeStatus.FAIL}
    assert "killed by SIGKILL" in seen["unit"].summary
    await world.act("web", ActionKind.START)


async def test_a_broken_database_makes_its_users_fail_too(world: World):
    await world.until_green()
    await FAULTS["database-down"].inject(world.host)
    for name in ("database", "web", "worker"):
        await world.until_failing(name)
    seen = await world.look("web")
    assert "the database does not work" in seen["http"].evidence
    assert [s.id for s in world.inventory.dependents("local/database")][:2] == ["local/web", "local/worker"]
    await world.act("database", ActionKind.START)


async def test_a_broken_configuration_is_named_before_anything_is_restarted(world: World):
    await world.until_green()
    fault = FAULTS["bad-config"]
    await fault.inject(world.host)
    reason = await world.effects.rehearse(world.service("web"), ActionKind.RESTART)
    assert "'page_size' must be int, not 'plenty'" in reason
    assert "configuration error" in await world.effects.tail(world.service("web"), 5)
    assert fault.heal is not None
    await fault.heal(world.host)


async def test_what_heals_itself_is_green_again_without_any_action(world: World):
    await world.until_green()
    before = await world.effects.state(world.service("web"))
    await FAULTS["heals-itself"].inject(world.host)
    seen = await world.until_failing("web")
    assert "503" in seen["http"].summary
    await world.until_green()
    assert (await world.effects.state(world.service("web"))).identity == before.identity


async def test_what_is_unfixable_stays_broken_whatever_is_done(world: World):
    await world.until_green()
    fault = FAULTS["unfixable"]
    await fault.inject(world.host)
    seen = await world.until_failing("web")
    assert "catalogue cannot be read" in seen["http"].evidence
    for kind in ALLOWED[ServiceKind.UNIT]:
        result = await world.act("web", kind)
        assert result.state in {ActionState.FAILED, ActionState.DONE}
        assert await world.failing([world.service("web")]), kind
    assert fault.heal is not None
    await fault.heal(world.host)
    await world.until_green()


@pytest.mark.parametrize("name", ["hung", "needs-approval", "worker-hung"])
async def test_a_fault_that_can_be_taken_back_is(world: World, name: str):
    await world.until_green()
    fault = FAULTS[name]
    await fault.inject(world.host)
    await world.until_failing(fault.service)
    assert fault.heal is not None
    await fault.heal(world.host)
    await world.until_green()


async def test_only_the_faults_that_say_so_need_a_person(world: World):
    for fault in FAULTS.values():
        approval = set(world.service(fault.service).approval)
        assert fault.needs_approval == bool(fault.right and set(fault.right) <= approval), fault.name
        assert set(fault.right) <= set(world.service(fault.service).actions), fault.name


async def test_there_are_the_kinds_of_fault_that_tell_an_operator_from_a_restarter():
    assert len(FAULTS) >= 8
    assert DEFAULT in FAULTS
    assert [f.name for f in FAULTS.values() if f.ends is None] == ["heals-itself"]
    assert [f.name for f in FAULTS.values() if f.ends is IncidentState.NEEDS_PERSON] == ["unfixable"]
    assert all(name in listing() for name in FAULTS)
    with pytest.raises(ConfigurationError, match="choose one of hung"):
        find("nonsense")
    assert not any(set(f.right) & set(f.wrong) for f in FAULTS.values())
