"""What only the container engine has: what Docker is told, and containers that others end or remove."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import NotFound

from adapters.containers.container import ContainerEngine
from config.settings import Settings
from domain.errors import ConfigurationError, TransientError
from domain.ports import Handle
from tests.adapters.containers.conftest import SHELL, Bench

pytestmark = pytest.mark.docker


@pytest.fixture
def client(docker_engine: Settings) -> Iterator[Any]:
    made = docker.from_env()
    yield made
    made.close()


@pytest.fixture
async def boxed(docker_engine: Settings, tmp_path: Path):
    engine = ContainerEngine(
        tmp_path / "sessions", str(uuid.uuid4()), docker_engine.session_image, SHELL, sweep_age_s=0.0
    )
    yield Bench(engine, tmp_path / "sessions", lambda **_: engine)
    await engine.sweep(frozenset())


async def test_docker_is_told_every_wall(boxed: Bench, client: Any) -> None:
    handle = await boxed.engine.start_or_attach(boxed.launch("sleep 30", labels={"tiercel.workflow": "escalation/x"}))
    found = client.containers.get(handle.identity)
    host = found.attrs["HostConfig"]
    assert found.name == f"tiercel-{handle.session}-1"
    assert (host["NetworkMode"], host["ReadonlyRootfs"], host["CapDrop"], host["SecurityOpt"]) == (
        "none",
        True,
        ["ALL"],
        ["no-new-privileges"],
    )
    assert (host["Memory"], host["MemorySwap"], host["PidsLimit"], host["NanoCpus"]) == (1 << 30, 1 << 30, 256, 10**9)
    assert (host["Init"], host["AutoRemove"], host["Privileged"], host["RestartPolicy"]["Name"]) == (
        True,
        False,
        False,
        "",
    )
    assert host["LogConfig"]["Config"] == {"max-size": "1m", "max-file": "2"}
    # The runner is root with the right to be somebody else; the session is not, and has no right: test_wall.py.
    assert found.attrs["Config"]["User"] == "0:0"
    assert sorted(host["CapAdd"]) == ["KILL", "SETGID", "SETPCAP", "SETUID"]
    assert host["IpcMode"] == "none"
    writable = {m["Destination"] for m in found.attrs["Mounts"] if m["RW"]}
    assert writable == {"/session/config", "/session/work", "/runner/attempt"}
    assert {
        "tiercel.session": handle.session,
        "tiercel.attempt": "1",
        "tiercel.workflow": "escalation/x",
    }.items() <= found.labels.items()


async def test_a_container_that_somebody_kills_or_removes_is_lost(boxed: Bench, client: Any) -> None:
    for end in ("kill", "remove"):
        handle = await boxed.engine.start_or_attach(boxed.launch("echo ready; sleep 30"))
        await boxed.until(handle, b"ready")
        found = client.containers.get(handle.identity)
        found.kill() if end == "kill" else found.remove(force=True)
        state = await boxed.end(handle)
        assert state.reason == "lost"
        again = await boxed.engine.start_or_attach(
            boxed.launch("").model_copy(update={"session": handle.session, "folder": handle.folder})
        )
        assert await boxed.engine.exited(again) == state


async def test_a_container_that_was_made_and_not_started_is_started(boxed: Bench, client: Any) -> None:
    launch = boxed.launch("echo ran")
    engine = boxed.engine
    assert isinstance(engine, ContainerEngine)
    made = await engine._create(launch)  # a worker that died between create and start
    handle = await engine.start_or_attach(launch)
    assert handle.identity == made.id
    assert (await boxed.end(handle)).code == 0
    assert await boxed.output(handle) == b"ran\n"


async def test_ended_containers_stay_until_they_are_swept(boxed: Bench, client: Any) -> None:
    handle = await boxed.engine.start_or_attach(boxed.launch("exit 0"))
    await boxed.end(handle)
    assert client.containers.get(handle.identity)
    await boxed.engine.sweep(frozenset({handle.session}))
    assert client.containers.get(handle.identity)
    await boxed.engine.sweep(frozenset())
    with pytest.raises(NotFound):
        client.containers.get(handle.identity)
    assert (await boxed.engine.exited(handle)) is not None


async def test_a_missing_image_names_the_command_that_builds_it(tmp_path: Path, docker_engine: Settings) -> None:
    engine = ContainerEngine(tmp_path / "sessions", "x", "tiercel-none:1", SHELL)
    bench = Bench(engine, tmp_path / "sessions", lambda **_: engine)
    assert not (await engine.isolation()).isolated
    with pytest.raises(ConfigurationError, match="build it"):
        await engine.start_or_attach(bench.launch("exit 0"))


async def test_without_an_engine_it_can_be_tried_later(tmp_path: Path) -> None:
    engine = ContainerEngine(tmp_path / "sessions", "x", "tiercel-none:1", SHELL, "unix:///nowhere/docker.sock")
    bench = Bench(engine, tmp_path / "sessions", lambda **_: engine)
    launch = bench.launch("exit 0")
    with pytest.raises(TransientError, match="does not answer"):
        await engine.start_or_attach(launch)
    with pytest.raises(TransientError, match="does not answer"):
        await engine.stop(
            Handle(session=launch.session, attempt=1, engine="container", identity="x", folder=launch.folder)
        )


async def test_the_image_holds_no_file_that_gives_rights(boxed: Bench) -> None:
    state, text = await boxed.run("find / -xdev -perm /6000 -type f 2>/dev/null; true")
    assert (state.code, text) == (0, "")
