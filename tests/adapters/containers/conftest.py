"""Both engines over a folder of their own, with `sh` in the place of the CLI."""

import asyncio
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from adapters.containers.attempt import LEASE_S
from adapters.containers.container import ContainerEngine
from adapters.containers.image import build, inputs_digest
from adapters.containers.process import ProcessEngine
from config.settings import Settings, load, variable_of
from domain.ids import SessionId
from domain.ports import Engine, ExitState, Handle, Launch, SessionFolder

SHELL = Path("/bin/sh")
ENV = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
BOTH = [
    pytest.param("process", marks=pytest.mark.isolation),
    pytest.param("container", marks=pytest.mark.docker),
]


def _docker_answers() -> bool:
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="session")
def docker_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A Docker engine with the session image: the machine's, else one that is started and stopped here.

    The image has a name of its own, so that checkouts of different versions do not take it from each other.
    """
    if not shutil.which("docker"):
        pytest.skip("no docker client")
    daemon = None
    if not _docker_answers():
        if os.geteuid() != 0 or not shutil.which("dockerd"):
            pytest.skip("no Docker engine answers, and none can be started here")
        log = (tmp_path_factory.mktemp("dockerd") / "log").open("wb")
        daemon = subprocess.Popen(["dockerd"], stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 60
        while not _docker_answers():
            if time.monotonic() > deadline or daemon.poll() is not None:
                pytest.skip(f"dockerd did not start: see {log.name}")
            time.sleep(0.2)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(variable_of("session_image"), f"tiercel-session:{inputs_digest()[:12]}")
            asyncio.run(build(load(), print))
            yield load()
    finally:
        if daemon is not None:
            daemon.terminate()
            daemon.wait(30)


@dataclass
class Bench:
    """One engine and its sessions."""

    engine: Engine
    sessions: Path
    make: Callable[..., Engine]

    def launch(self, script: str, **changes: Any) -> Launch:
        """A session that runs `script`."""
        session = SessionId(str(uuid.uuid4()))
        base: dict[str, Any] = {
            "session": session,
            "attempt": 1,
            "folder": SessionFolder(root=self.sessions / session),
            "argv": ("-c", script),
            "env": ENV,
            "prompt": "",
            "timeout_s": 60,
        }
        return Launch(**(base | changes))

    async def run(self, script: str, **changes: Any) -> tuple[ExitState, str]:
        """Run to the end; the output as text."""
        handle = await self.engine.start_or_attach(self.launch(script, **changes))
        state = await self.end(handle)
        return state, (await self.output(handle)).decode()

    async def end(self, handle: Handle, within_s: float = 30) -> ExitState:
        deadline = time.monotonic() + within_s
        while (state := await self.engine.exited(handle)) is None:
            assert time.monotonic() < deadline, "the session did not end in time"
            await asyncio.sleep(0.02)
        return state

    async def output(self, handle: Handle, engine: Engine | None = None) -> bytes:
        found = b""
        while part := await (engine or self.engine).read(handle, len(found)):
            found += part
        return found

    async def until(self, handle: Handle, text: bytes) -> None:
        """Wait until the session has said `text`."""
        deadline = time.monotonic() + 20
        while text not in await self.output(handle):
            assert time.monotonic() < deadline, f"never said {text!r}: {await self.engine.exited(handle)}"
            await asyncio.sleep(0.02)


Make = Callable[..., Engine]


@pytest.fixture(params=BOTH)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Makes engine objects over the same sessions, as restarted workers do. Each test runs once per engine."""
    sessions, installation = tmp_path / "sessions", str(uuid.uuid4())
    if request.param == "process":

        def process(binary: Path = SHELL, lease_s: float = LEASE_S, sweep_age_s: float = 0.0) -> Engine:
            return ProcessEngine(sessions, tmp_path / "cache", binary, lease_s, sweep_age_s)

        return process
    image = request.getfixturevalue("docker_engine").session_image

    def container(binary: Path = SHELL, lease_s: float = LEASE_S, sweep_age_s: float = 0.0) -> Engine:
        return ContainerEngine(sessions, installation, image, binary, lease_s=lease_s, sweep_age_s=sweep_age_s)

    return container


@pytest.fixture
async def bench(make: Make, tmp_path: Path) -> AsyncIterator[Bench]:
    """The engine under test; what it started is gone afterwards."""
    engine = make()
    isolation = await engine.isolation()
    if not isolation.isolated:
        pytest.skip(isolation.how)
    try:
        yield Bench(engine, tmp_path / "sessions", make)
    finally:
        await engine.sweep(frozenset())


def processes_with(marker: str) -> list[int]:
    """Processes of this machine, containers included, whose command line holds `marker`."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            line = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if marker.encode() in line and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found
