"""Container effects on a real engine. Every container here has a name of its own and is removed by its id."""

import asyncio
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import NotFound

from adapters.actions.compose import Compose
from adapters.actions.container_client import ContainerClient
from adapters.actions.containers import RELOAD_SIGNAL, RELOAD_TEST, ContainerEffects
from adapters.probes.runner import ProbeRunner
from config.clock import SystemClock
from config.settings import Settings
from domain.action import ActionKind, ActionState
from domain.errors import TransientError
from domain.health import ContainerProbe, ProbeStatus
from domain.ids import service_id
from domain.inventory import Service, ServiceKind
from tests.adapters.containers.conftest import docker_engine as docker_engine  # noqa: PLC0414 - a fixture, used by name
from tests.support.demo_host import action

SERVE = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
signal.signal(signal.SIGHUP, lambda *_: print('read again', flush=True))
print('ready', flush=True)
while True: time.sleep(0.05)
"""
Run = Callable[..., Service]


@pytest.fixture
def api(docker_engine: Settings) -> Iterator[Any]:
    client: Any = docker.APIClient(version="auto")  # pyright: ignore[reportPrivateImportUsage]
    yield client
    client.close()


@pytest.fixture
def run(api: Any, docker_engine: Settings) -> Iterator[Run]:
    names: list[str] = []

    def one(code: str = SERVE, *, start: bool = True, volumes: list[str] | None = None, **config: Any) -> Service:
        name = f"tiercel-action-test-{uuid.uuid4().hex[:10]}"
        host = api.create_host_config(network_mode="none", binds=volumes)
        made = api.create_container(
            docker_engine.session_image,
            entrypoint=["/usr/bin/python3", "-I", "-c", code],
            name=name,
            user="0",
            host_config=host,
            **config,
        )
        names.append(name)
        if start:
            api.start(made["Id"])
        return Service(
            id=service_id("local", name), name=name, kind=ServiceKind.CONTAINER, target=name, actions=tuple(ActionKind)
        )

    yield one
    for row in api.containers(all=True):
        if any(n.strip("/").startswith(tuple(names)) for n in row["Names"]):
            api.remove_container(row["Id"], force=True, v=True)


@pytest.fixture
def effects() -> Iterator[ContainerEffects]:
    client = ContainerClient()
    yield ContainerEffects(client, Compose(), str)
    client.close()


async def do(effects: ContainerEffects, service: Service, kind: ActionKind):
    return await effects.perform(service, action(service, kind, await effects.state(service)))


@pytest.mark.docker
async def test_a_restart_keeps_the_container_and_changes_its_start(run: Run, effects: ContainerEffects):
    service = run()
    before = await effects.state(service)
    order = action(service, ActionKind.RESTART, before)
    assert (await effects.reconcile(service, order)).state == ActionState.FAILED
    result = await effects.perform(service, order)
    assert result.state == ActionState.DONE, result
    assert result.after is not None
    assert (result.after.identity, result.after.config_digest) == (before.identity, before.config_digest)
    assert result.after.started_at != before.started_at
    assert (await effects.reconcile(service, order)).state == ActionState.DONE


@pytest.mark.docker
async def test_start_and_unpause_fit_their_states_only(run: Run, effects: ContainerEffects, api: Any):
    service = run()
    assert "running already" in await effects.rehearse(service, ActionKind.START)
    assert "not paused" in await effects.rehearse(service, ActionKind.UNPAUSE)
    api.pause(service.target)
    assert (await effects.state(service)).status == "paused"
    assert not (await effects.state(service)).running
    assert (await do(effects, service, ActionKind.UNPAUSE)).state == ActionState.DONE
    api.kill(service.target)
    api.wait(service.target)
    assert await effects.rehearse(service, ActionKind.START) == ""
    assert (await do(effects, service, ActionKind.START)).state == ActionState.DONE


@pytest.mark.docker
async def test_a_container_that_does_not_come_up_is_a_failed_action(run: Run, effects: ContainerEffects):
    result = await do(effects, run("raise SystemExit(3)", start=False), ActionKind.START)
    assert result.state == ActionState.FAILED
    assert "exit code 3" in result.message


@pytest.mark.docker
async def test_another_container_of_the_same_name_is_not_touched(run: Run, effects: ContainerEffects, api: Any):
    service = run()
    order = action(service, ActionKind.RESTART, await effects.state(service))
    first = api.inspect_container(service.target)
    api.rename(first["Id"], f"{service.target}-old")
    made = api.create_container_from_config({**first["Config"], "HostConfig": first["HostConfig"]}, service.target)
    api.start(made["Id"])
    now = await effects.state(service)
    result = await effects.perform(service, order)
    assert result.state == ActionState.FAILED
    assert "replaced by another one" in result.message
    assert (await effects.state(service)).started_at == now.started_at


@pytest.mark.docker
async def test_a_recreate_makes_the_same_container_anew_and_keeps_named_data(
    run: Run, effects: ContainerEffects, api: Any
):
    volume = f"tiercel-action-test-{uuid.uuid4().hex[:10]}"
    code = "open('/data/count','a').write('x'); print(open('/data/count').read(), flush=True)\n" + SERVE
    service = run(code, volumes=[f"{volume}:/data"], environment={"COLOUR": "blue"}, labels={"a": "b"})
    try:
        before = api.inspect_container(service.target)
        assert await effects.rehearse(service, ActionKind.RECREATE) == ""
        result = await do(effects, service, ActionKind.RECREATE)
        assert result.state == ActionState.DONE, result
        after = api.inspect_container(service.target)
        assert after["Id"] != before["Id"]
        assert after["Config"]["Env"] == before["Config"]["Env"]
        assert after["Config"]["Labels"] == before["Config"]["Labels"]
        assert after["Mounts"] == before["Mounts"]
        assert "xx" in await _until_logged(effects, service, "xx")
        with pytest.raises(NotFound):
            api.inspect_container(before["Id"])
    finally:
        api.remove_container(service.target, force=True)
        api.remove_volume(volume)


@pytest.mark.docker
async def test_a_failed_recreate_puts_the_old_container_back(run: Run, effects: ContainerEffects, api: Any):
    service = run(start=False)
    made = api.inspect_container(service.target)
    api.remove_container(made["Id"])
    network = api.create_network(f"{service.target}-net", internal=True)["Id"]
    host = {**made["HostConfig"], "NetworkMode": f"{service.target}-net"}
    old = api.create_container_from_config({**made["Config"], "HostConfig": host}, service.target)["Id"]
    api.remove_network(network)  # the definition cannot be carried out any more
    result = await do(effects, service, ActionKind.RECREATE)
    assert result.state == ActionState.FAILED
    assert "network" in result.message
    assert api.inspect_container(service.target)["Id"] == old
    assert len([c for c in api.containers(all=True) if service.target in str(c["Names"])]) == 1


@pytest.mark.docker
async def test_data_in_an_unnamed_volume_are_not_put_at_risk(run: Run, effects: ContainerEffects, api: Any):
    service = run(volumes=None, start=False)
    made = api.inspect_container(service.target)
    api.remove_container(made["Id"])
    config = {**made["Config"], "Volumes": {"/data": {}}, "HostConfig": made["HostConfig"]}
    api.start(api.create_container_from_config(config, service.target)["Id"])
    before = await effects.state(service)
    assert "unnamed volume" in await effects.rehearse(service, ActionKind.RECREATE)
    result = await do(effects, service, ActionKind.RECREATE)
    assert result.state == ActionState.FAILED
    assert (await effects.state(service)).started_at == before.started_at


@pytest.mark.docker
async def test_a_reload_tests_first_and_refuses_a_broken_configuration(run: Run, effects: ContainerEffects):
    silent = run()
    assert "does not say how to reload" in await effects.rehearse(silent, ActionKind.RELOAD_CONFIG)
    good = run(labels={RELOAD_TEST: "/usr/bin/true", RELOAD_SIGNAL: "HUP"})
    assert await effects.rehearse(good, ActionKind.RELOAD_CONFIG) == ""
    assert (await do(effects, good, ActionKind.RELOAD_CONFIG)).state == ActionState.DONE
    assert "read again" in await _until_logged(effects, good, "read again")
    bad = run(labels={RELOAD_TEST: "/usr/bin/python3 -c \"raise SystemExit('line 7 is wrong')\"", RELOAD_SIGNAL: "HUP"})
    result = await do(effects, bad, ActionKind.RELOAD_CONFIG)
    assert result.state == ActionState.FAILED
    assert "invalid: line 7 is wrong" in result.message


async def _until_logged(effects: ContainerEffects, service: Service, words: str) -> str:
    for _ in range(60):
        text = await effects.tail(service, 50)
        if words in text:
            return text
        await asyncio.sleep(0.05)
    return ""


@pytest.mark.docker
async def test_a_missing_container_is_a_state(effects: ContainerEffects, docker_engine: Settings):
    ghost = Service(id=service_id("local", "ghost"), name="ghost", kind=ServiceKind.CONTAINER, target="tiercel-no-such")
    assert (await effects.state(ghost)).status == "missing"
    assert "no container" in await effects.rehearse(ghost, ActionKind.RESTART)
    assert (await do(effects, ghost, ActionKind.RESTART)).state == ActionState.FAILED
    assert "compose plugin" in await effects.rehearse(ghost, ActionKind.COMPOSE_UP)


@pytest.mark.docker
async def test_the_container_probe_sees_what_the_engine_sees(run: Run, api: Any):
    service = run()
    watched = service.model_copy(update={"probes": (ContainerProbe(container=service.target),)})
    client = ContainerClient()
    runner = ProbeRunner(clock=SystemClock(), redact=str, containers=client, environ={})
    try:
        (running,) = await runner.probe(watched)
        api.pause(service.target)
        (paused,) = await runner.probe(watched)
        api.remove_container(service.target, force=True)
        (gone,) = await runner.probe(watched)
    finally:
        await runner.close()
        client.close()
    assert [r.status for r in (running, paused, gone)] == [ProbeStatus.OK, ProbeStatus.FAIL, ProbeStatus.FAIL]
    assert len(running.identity) == 64


async def test_without_an_engine_nothing_is_done_and_nothing_is_guessed(tmp_path: Path):
    service = Service(id=service_id("local", "web"), name="web", kind=ServiceKind.CONTAINER, target="web")
    effects = ContainerEffects(ContainerClient(f"unix://{tmp_path}/none.sock"), Compose(), str)
    with pytest.raises(TransientError, match="start Docker"):
        await effects.state(service)
    with pytest.raises(TransientError, match="start Docker"):
        await effects.perform(service, action(service, ActionKind.RESTART, None))
    assert not effects.supports(service.model_copy(update={"node": "nas"}), ActionKind.RESTART)
    assert not effects.supports(service, ActionKind.COMPOSE_UP)
