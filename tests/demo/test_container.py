"""A container joins the demo where an engine can run it, is broken for real, and leaves nothing behind."""

from pathlib import Path

import pytest

from adapters.actions.container_client import ContainerClient
from adapters.actions.router import EffectRouter
from adapters.inventory.source import RepositorySource
from adapters.probes.runner import ProbeRunner
from config.clock import SystemClock
from config.settings import Settings
from demo.container import CONTAINER_KILLED, board
from domain.action import ActionKind, ActionState
from domain.health import ProbeStatus
from tests.adapters.containers.conftest import docker_engine
from tests.support.demo_host import action

__all__ = ["docker_engine"]


@pytest.mark.docker
async def test_it_is_declared_probed_killed_and_started_again(docker_engine: Settings, tmp_path: Path) -> None:
    settings, repos = docker_engine, tmp_path / "repos"
    repos.mkdir()
    tmp_path.chmod(0o755)
    async with board(tmp_path / "board", repos, settings) as name:
        assert name, "no Docker engine with the session image: `tiercel image build`"
        inventory = await RepositorySource(repos).read()
        assert not inventory.problems
        service = inventory.services[0]
        effects = EffectRouter.from_settings(settings, str)
        prober = ProbeRunner(clock=SystemClock(), redact=str, containers=effects.container_look, environ={})
        assert [r.status for r in await prober.probe(service)] == [ProbeStatus.OK]
        client = ContainerClient()
        await client.act(lambda api: api.kill(name, signal="SIGKILL"))
        assert [r.status for r in await prober.probe(service)] == [ProbeStatus.FAIL]
        assert CONTAINER_KILLED.service == service.id
        result = await effects.perform(service, action(service, ActionKind.START, await effects.state(service)))
        assert result.state == ActionState.DONE
        assert [r.status for r in await prober.probe(service)] == [ProbeStatus.OK]
        await prober.close()
    assert await client.inspect("local", name) is None
    client.close()
    effects.close()


async def test_without_an_engine_the_demo_goes_on_without_it(tmp_path: Path) -> None:
    settings = Settings.model_validate({"docker_host": f"unix://{tmp_path}/nobody.sock"})
    async with board(tmp_path / "board", tmp_path, settings) as name:
        assert not name
    assert not (tmp_path / "CLAUDE-OPS.md").exists()
