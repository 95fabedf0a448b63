"""Unit effects on real processes: one attempt, compared afterwards, never repeated."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from adapters.actions.unit_client import UnitClient
from adapters.actions.units import UnitEffects, judge
from demo.host import remove_host, start_host
from domain.action import ActionKind, ActionState, TargetState
from domain.errors import TransientError, UnknownOutcomeError
from domain.ids import LOCAL_NODE, service_id
from domain.inventory import Service, ServiceKind
from tests.support.demo_host import World, action, demo_world

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.postgres]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[World]:
    async with demo_world() as made:
        yield made


def unit(name: str = "web", **fields: object) -> Service:
    base: dict[str, object] = {"id": service_id("local", name), "name": name, "kind": ServiceKind.UNIT, "target": name}
    return Service.model_validate(base | fields)


async def test_a_restart_gives_another_process_and_says_so(world: World):
    service = world.service("web")
    before = await world.effects.state(service)
    result = await world.effects.perform(service, action(service, ActionKind.RESTART, before))
    assert result.state == ActionState.DONE
    assert result.before == before
    assert result.after is not None
    assert result.after.running
    assert result.after.identity != before.identity
    assert result.after.config_digest == before.config_digest


async def test_the_same_order_a_second_time_does_nothing(world: World):
    service = world.service("worker")
    order = action(service, ActionKind.RESTART, await world.effects.state(service))
    first = await world.effects.perform(service, order)
    second = await world.effects.perform(service, order)
    assert (first.state, second.state) == (ActionState.DONE, ActionState.FAILED)
    assert "nothing was done" in second.message
    assert first.after is not None
    assert (await world.effects.state(service)).identity == first.after.identity


async def test_a_recreate_writes_the_configuration_anew(world: World):
    service, file = world.service("web"), world.host.root / "etc" / "web.toml"
    declared = file.read_text()
    file.write_text(declared + "surprise = 1\n")
    assert "'surprise' is not known" in await world.effects.rehearse(service, ActionKind.RELOAD_CONFIG)
    refused = await world.act("web", ActionKind.RELOAD_CONFIG)
    assert refused.state == ActionState.FAILED
    assert "nothing was done" in refused.message
    assert refused.after is not None
    assert refused.after.running
    assert await world.effects.rehearse(service, ActionKind.RECREATE) == ""
    assert (await world.act("web", ActionKind.RECREATE)).state == ActionState.DONE
    assert file.read_text() == declared


async def test_a_tested_configuration_is_read_without_a_restart(world: World):
    service, file = world.service("web"), world.host.root / "etc" / "web.toml"
    before = await world.effects.state(service)
    file.write_text(file.read_text().replace("The falconer's shop", "Another name"))
    assert (await world.act("web", ActionKind.RELOAD_CONFIG)).state == ActionState.DONE
    assert (await world.effects.state(service)).identity == before.identity
    assert "configuration read again" in await _until_logged(world, service, "configuration read again")
    await world.act("web", ActionKind.RECREATE)


async def _until_logged(world: World, service: Service, words: str) -> str:
    for _ in range(50):
        text = await world.effects.tail(service, 5)
        if words in text:
            return text
        await asyncio.sleep(0.05)
    return ""


async def test_logs_are_bounded_and_redacted(world: World):
    hidden = UnitEffects(world.host.client, lambda text: text.replace("ready", "[cut]"))
    assert len((await hidden.tail(world.service("web"), 1)).splitlines()) == 1
    assert "[cut] on port" in await hidden.tail(world.service("web"), 100)


async def test_only_units_of_known_nodes_are_supported(world: World):
    assert world.effects.supports(unit(), ActionKind.RESTART)
    assert not world.effects.supports(unit(), ActionKind.COMPOSE_UP)
    assert not world.effects.supports(unit(node="nas"), ActionKind.RESTART)
    assert not world.effects.supports(unit(kind="container"), ActionKind.RESTART)


async def test_an_unknown_unit_is_a_state_and_not_a_fault(world: World):
    ghost = unit("ghost")
    assert not (await world.effects.state(ghost)).running
    assert "knows no unit" in await world.effects.rehearse(ghost, ActionKind.RESTART)
    with pytest.raises(TransientError, match="no unit ghost"):
        await world.effects.tail(ghost)


async def test_without_a_manager_nothing_is_done_and_nothing_is_guessed(tmp_path: Path):
    effects = UnitEffects(UnitClient({LOCAL_NODE: tmp_path / "none.sock"}), str)
    with pytest.raises(TransientError, match="does not answer"):
        await effects.state(unit())
    before = TargetState(running=True, status="running", identity="1:1")
    result = await effects.perform(unit(), action(unit(), ActionKind.RESTART, before))
    assert result.state == ActionState.FAILED
    assert "nothing was done" in result.message


Answer = Callable[[dict[str, object]], Awaitable[bytes]]


@contextlib.asynccontextmanager
async def manager(path: Path, answer: Answer) -> AsyncIterator[UnitEffects]:
    """A manager that answers as the test says; no bytes: it dies before it answers."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await answer(json.loads(await reader.readline())))
        writer.close()

    server = await asyncio.start_unix_server(serve, str(path))
    try:
        yield UnitEffects(UnitClient({LOCAL_NODE: path}), str)
    finally:
        server.close()


@pytest.mark.parametrize("reply", [b"", b'{"ok": tr', b"not json\n"])
async def test_a_manager_that_dies_before_it_answers_leaves_an_unknown_outcome(tmp_path: Path, reply: bytes):
    asked: list[dict[str, object]] = []

    async def dies(request: dict[str, object]) -> bytes:
        asked.append(request)
        return reply

    before = TargetState(running=True, status="running", identity="1:1")
    async with manager(tmp_path / "m.sock", dies) as effects:
        with pytest.raises(UnknownOutcomeError):
            await effects.perform(unit(), action(unit(), ActionKind.RESTART, before))
    assert [a["op"] for a in asked] == ["restart"]


async def test_a_manager_killed_in_the_middle_of_a_restart_is_looked_up_afterwards(tmp_path: Path):
    root = tmp_path / "demo"
    host = await start_host(root)
    effects, service = UnitEffects(host.client, str), unit("database")
    try:
        order = action(service, ActionKind.RESTART, await effects.state(service))
        attempt = asyncio.create_task(effects.perform(service, order))
        while (await effects.state(service)).status not in {"stopping", "starting"}:
            await asyncio.sleep(0.002)
        host.process.kill()
        with pytest.raises(UnknownOutcomeError):
            await attempt
        with pytest.raises(TransientError):
            await effects.reconcile(service, order)
        await host.process.wait()
        host = await start_host(root)
        now = await effects.state(service)
        found = await effects.reconcile(service, order)
        assert found.state == ActionState.DONE
        assert found.after == now
        assert (await effects.state(service)).identity == now.identity, "looking must not act"
    finally:
        await host.stop()
        await remove_host(root)


def _state(identity: str = "1:1", status: str = "running", digest: str = "a") -> TargetState:
    return TargetState(running=status == "running", status=status, identity=identity, config_digest=digest)


@pytest.mark.parametrize(
    ("kind", "before", "after", "state"),
    [
        (ActionKind.RESTART, _state("1:1"), _state("2:2"), ActionState.DONE),
        (ActionKind.RESTART, _state("1:1"), _state("1:1"), ActionState.FAILED),
        (ActionKind.RESTART, _state("1:1"), _state("", "failed"), ActionState.FAILED),
        (ActionKind.START, _state("", "failed"), _state("2:2"), ActionState.DONE),
        (ActionKind.UNPAUSE, _state("1:1", "paused"), _state("1:1"), ActionState.DONE),
        (ActionKind.UNPAUSE, _state("1:1", "paused"), _state("1:1", "paused"), ActionState.FAILED),
        (ActionKind.RELOAD_CONFIG, _state("1:1"), _state("1:1"), ActionState.FAILED),
        (ActionKind.RECREATE, _state("1:1"), _state("1:1", digest="b"), ActionState.FAILED),
    ],
)
async def test_an_unknown_outcome_is_judged_by_what_changed(
    kind: ActionKind, before: TargetState, after: TargetState, state: ActionState
):
    assert judge(kind, before, after).state == state
