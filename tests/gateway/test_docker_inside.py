"""The Docker client of the session image, in a session's container, as a session is told to use it."""

import uuid
from pathlib import Path

import pytest

from adapters.containers.container import ContainerEngine
from claude.argv import command
from config.settings import Settings
from domain.ports import Launch
from tests.adapters.containers.conftest import SHELL, Bench, docker_engine
from tests.gateway.test_docker_door import looking
from tests.support import claude_cli
from tests.support.talkers import talkers

__all__ = ["docker_engine"]

pytestmark = [pytest.mark.docker, pytest.mark.cli]


async def test_it_lists_what_is_declared_and_changes_nothing(docker_engine: Settings, tmp_path: Path) -> None:
    with talkers(docker_engine.session_image) as shop:
        async with looking(tmp_path, shop) as room:
            door = await room.open(tier=1)
            plan = claude_cli.Bench(tmp_path, None, claude_cli.Door(model_url="")).plan(session=door.session)  # pyright: ignore[reportArgumentType]
            script = (
                "docker ps --format '{{.Names}}'; "
                f"for do in stop restart kill rm; do docker $do {shop.declared} 2>/dev/null && echo did $do; done; "
                f"docker exec {shop.declared} id; ls /var/run/docker.sock; true"
            )
            launch = Launch(
                session=door.session,
                attempt=1,
                folder=door.folder,
                argv=("-c", script),
                env=command(plan).env,
                prompt="",
                timeout_s=60,
            )
            sessions = tmp_path / "sessions"
            engine = ContainerEngine(sessions, str(uuid.uuid4()), docker_engine.session_image, SHELL, sweep_age_s=0.0)
            bench = Bench(engine, sessions, lambda **_: engine)
            try:
                handle = await engine.start_or_attach(launch)
                state = await bench.end(handle)
                said = (await bench.output(handle)).decode()
            finally:
                await engine.sweep(frozenset())
    assert state.code == 0, state
    assert shop.declared in said.split()
    assert shop.stranger not in said
    assert "did " not in said
    assert "uid=" not in said
