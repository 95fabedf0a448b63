"""A service in a container, which joins the demo where a Docker engine answers and has the session image."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from adapters.actions.container_client import ContainerClient
from config.settings import Settings
from demo.faults import Fault
from demo.host.handle import HostHandle
from domain.action import ActionKind
from domain.errors import ConfigurationError, TiercelError
from domain.ids import service_id
from domain.incident import IncidentState

LABEL = "tiercel.demo"
BEAT_S = 2.0
STALE_S = 15  # after a kill -9 of the demo nobody beats any more, and the container ends by itself

_PROGRAM = f"""
import http.server, os, threading, time
def watch():
    while time.time() - os.stat("/host/alive").st_mtime < {STALE_S}:
        time.sleep(1)
    os._exit(0)
threading.Thread(target=watch, daemon=True).start()
http.server.ThreadingHTTPServer(("127.0.0.1", 8000), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
_MANIFEST = """---
version: 1
services:
  - name: board
    kind: container
    target: {container}
    aliases: [notice-board]
    actions: [restart, start, unpause]
    probes:
      - {{kind: container, container: {container}, timeout_s: 3}}
---

The notice board of the falconer's shop. It runs in a container without a network.
"""


@asynccontextmanager
async def board(folder: Path, repos: Path, settings: Settings) -> AsyncGenerator[str, None]:
    """Start it and declare it in a repository of its own; yields its name, or "" where no engine can run it."""
    client = ContainerClient(settings.docker_host)
    name = f"tiercel-demo-{time.time_ns():x}"
    beating: asyncio.Task[None] | None = None
    try:
        try:
            folder.mkdir(mode=0o755)
            (folder / "alive").touch()
            await client.act(lambda api: _create(api, name, folder, settings.session_image))
            beating = asyncio.create_task(_beat(folder / "alive"))
            _declare(repos / "board", name)
        except (TiercelError, OSError):
            name = ""
        yield name
    finally:
        if beating is not None:
            beating.cancel()
        with suppress(TiercelError):
            await client.act(lambda api: api.remove_container(name, force=True) if name else None)
        client.close()


def _create(api: Any, name: str, folder: Path, image: str) -> None:
    for left in api.containers(all=True, filters={"label": LABEL, "status": "exited"}):
        api.remove_container(left["Id"])
    host = api.create_host_config(
        network_mode="none",
        binds={str(folder): {"bind": "/host", "mode": "ro"}},
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        mem_limit="64m",
        pids_limit=32,
    )
    made = api.create_container(
        image, name=name, entrypoint=["python3", "-c", _PROGRAM], user="65534", labels={LABEL: "1"}, host_config=host
    )
    api.start(made["Id"])


def _declare(repository: Path, name: str) -> None:
    repository.mkdir()
    fresh = repository / ".manifest.new"
    fresh.write_text(_MANIFEST.format(container=name), encoding="utf-8")
    fresh.replace(repository / "CLAUDE-OPS.md")


async def _beat(alive: Path) -> None:
    while True:
        alive.touch()
        await asyncio.sleep(BEAT_S)


async def _kill(host: HostHandle) -> str:
    if not host.container:
        raise ConfigurationError(
            "the fault 'container-killed' needs a Docker engine with the session image: start Docker, run `tiercel image build`"
        )
    client = ContainerClient()
    try:
        await client.act(lambda api: api.kill(host.container, signal="SIGKILL"))
    finally:
        client.close()
    return f"the container {host.container} was killed, and nothing starts it again."


CONTAINER_KILLED = Fault(
    name="container-killed",
    about="a container is killed and nothing starts it again (needs a Docker engine with the session image)",
    service=service_id("local", "board"),
    symptom="container exited with code 137",
    right=(ActionKind.START, ActionKind.RESTART),
    wrong=(ActionKind.UNPAUSE,),
    tier=2,
    ends=IncidentState.RESOLVED,
    inject=_kill,
)
