"""A hostile program in the place of the CLI tries everything (attack.py), next to what it must not reach.

`pytest tests/redteam -s` prints the table.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from temporalio.client import Client
from temporalio.worker import Worker

from adapters.containers import files
from adapters.engine.client import TemporalEscalations
from config.clock import SystemClock
from config.settings import Settings
from domain.engine import TASK_QUEUE_CONTROL
from domain.ids import ServiceId, SessionId
from domain.incident import Alert
from domain.ports import Handle, Launch, Limits, SessionFolder
from gateway.remote.far import Far
from tests.adapters.containers.conftest import BOTH, ENV, Bench, Make, bench, docker_engine, make
from tests.support import gateway
from tests.support.entity import CountingEscalation
from tests.support.gateway_process import GatewayProcess
from tests.support.remote import SECRET, settings_of
from tests.support.temporal import dev_server

__all__ = ["BOTH", "Make", "bench", "docker_engine", "make"]  # the fixtures of both engines

pytestmark = pytest.mark.slow
ATTACK = Path(__file__).with_name("attack.py")
KEY = gateway.API_KEY.secret.get_secret_value()
LEAST_WAYS = 40


@dataclass
class Host:
    """What lies round the session. `arrived` is every request of the model API, `strangers` every stray connection."""

    process: GatewayProcess
    client: Client
    workflow_id: str
    targets: dict[str, Any]
    arrived: list[web.BaseRequest]
    strangers: list[object]
    canary: str


@contextmanager
def _canaries(tmp_path: Path, canary: str) -> Iterator[list[str]]:
    """An SSH key and files with a recognisable content, where a careless wall would show them."""
    name = f".tiercel-redteam-{uuid.uuid4().hex[:8]}"
    places = [tmp_path / "host-secret", Path.home() / name / "id_ed25519", Path.home() / f"{name}.txt"]
    try:
        for path in places:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            path.write_text(json.dumps({"reason": "exited", "code": 0, "detail": canary}))
        yield [str(path) for path in places]
    finally:
        for path in places:
            path.unlink(missing_ok=True)
        (Path.home() / name).rmdir()


def _listen(family: int, address: Any, strangers: list[object], stack: ExitStack) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    stack.callback(listener.close)
    listener.bind(address)
    listener.listen()
    listener.setblocking(False)
    asyncio.get_running_loop().add_reader(listener, lambda: strangers.append(listener.accept()))
    stack.callback(asyncio.get_running_loop().remove_reader, listener)
    return listener


def _targets(host: dict[str, Any], temporal: str, canaries: list[str], port: int) -> dict[str, Any]:
    tcp = [
        ["Temporal", "127.0.0.1", int(temporal.rpartition(":")[2])],
        ["a web server of the host", "127.0.0.1", port],
        ["the host by its bridge", "172.17.0.1", port],
        ["the host by its own address", socket.gethostbyname(socket.gethostname()), port],
        ["Postgres", "127.0.0.1", 5432],
        ["the Docker engine", "127.0.0.1", 2375],
        ["metadata", "169.254.169.254", 80],
        ["metadata over IPv6", "fd00:ec2::254", 80],
        ["a private range", "10.0.0.1", 443],
        ["the internet", "1.1.1.1", 443],
        ["the internet over IPv6", "2606:4700:4700::1111", 443],
        ["loopback over IPv6", "::1", port],
    ]
    return host | {"tcp": tcp, "gateway_ip": "172.17.0.1", "listener": port, "files": canaries, "keyring": "tiercel-x"}


@pytest_asyncio.fixture(name="host")
async def _host(tmp_path: Path, database_url: str) -> AsyncIterator[Host]:
    """The real gateway, engine and record, canaries, listeners, and a model API that tells everything it was told."""
    arrived: list[web.BaseRequest] = []
    strangers: list[object] = []
    canary = f"canary-{uuid.uuid4().hex}"

    async def talkative(request: web.Request) -> web.StreamResponse:
        arrived.append(request)
        told = {"X-Echo": KEY, "Set-Cookie": f"k={KEY}", "WWW-Authenticate": KEY, "Server": KEY}
        code = 302 if len(arrived) % 2 else 200
        return web.json_response({}, status=code, headers=told | {"Location": f"http://127.0.0.1:1/?k={KEY}"})

    with ExitStack() as stack:
        canaries = stack.enter_context(_canaries(tmp_path, canary))
        port = _listen(socket.AF_INET, ("0.0.0.0", 0), strangers, stack).getsockname()[1]
        abstract = f"tiercel-redteam-{uuid.uuid4().hex}"
        _listen(socket.AF_UNIX, f"\0{abstract}", strangers, stack)
        async with (
            dev_server() as (client, temporal),
            Worker(client, task_queue=TASK_QUEUE_CONTROL, workflows=[CountingEscalation]),
            gateway.upstream(talkative) as model_url,
        ):
            escalations = TemporalEscalations(client, Settings().escalation_policy, lambda: False, SystemClock())
            opened = await escalations.open(Alert(service=ServiceId("local/web"), at=SystemClock().now()))
            here, there = settings_of(tmp_path, tls=False)
            extra = {"TIERCEL_GATEWAY_LISTEN": here.gateway_listen, "TIERCEL_GATEWAY_SECRET": SECRET}
            process = GatewayProcess(tmp_path, model_url, temporal, database_url, extra)
            await process.start()
            token = await Far.of(there).open(gateway.make_door(tmp_path, 3, workflow_id=opened.workflow_id), "")
            base = {
                "secrets": [KEY, canary, token.partition(".")[2], SECRET],
                "token": token,
                "sessions": str(tmp_path / "sessions"),
                "admin": str(tmp_path / "run" / "gateway.sock"),
                "abstract": abstract,
                "model": Settings().tiers[0].model,
                "dearer": Settings().tiers[2].model,
                "workflow": opened.workflow_id,
                "approved_id": "toolu_approved",
                "marker": "gateway",
                "host_pids": [1, os.getpid(), process.process.pid if process.process else 1],
            }
            targets = _targets(base, temporal, canaries, port)
            targets["tcp"].append(["the entrance of other machines", *(here.entrance or ())])
            yield Host(process, client, opened.workflow_id, targets, arrived, strangers, canary)
            await process.stop()


async def _session(host: Host, bench: Bench, mode: str, **changes: Any) -> tuple[Launch, Handle]:
    """A session of tier 1 whose program is the attack, with a neighbour that has its own door and files."""
    other = gateway.make_door(host.process.home, 3, workflow_id=host.workflow_id)
    session = SessionId(str(uuid.uuid4()))
    door = gateway.make_door(host.process.home, 1, session, workflow_id=host.workflow_id)
    for each in (other, door):
        await host.process.doors.open(each)
    other.folder.work.mkdir()
    (other.folder.work / "canary").write_text(host.canary)
    folder = SessionFolder(root=host.process.home / "sessions" / session)
    folder.work.mkdir()
    targets = host.targets | {
        "own": session,
        "other": other.session,
        "other_door": str(other.folder.socket),
        "attempt": str(folder.attempt(1)),
        "mode": mode,
        "container": bench.engine.name == "container",
        "fill": bench.engine.name == "container",
    }
    targets["files"] = [*host.targets["files"], str(other.folder.work / "canary")]
    (folder.work / "targets.json").write_text(json.dumps(targets))
    (folder.work / "attack.py").write_bytes(ATTACK.read_bytes())
    script = f"exec /usr/bin/python3 -I {folder.work}/attack.py"
    base: dict[str, Any] = {
        "session": session, "attempt": 1, "folder": folder, "argv": ("-c", script), "env": ENV, "prompt": "", "timeout_s": 150
    }  # fmt: skip
    launch = Launch(**(base | changes))
    return launch, await bench.engine.start_or_attach(launch)


async def test_nothing_is_reached_from_inside_a_session(host: Host, bench: Bench) -> None:
    _, handle = await _session(host, bench, "attack", limits=Limits(memory_mb=1500, pids=300))
    state = await bench.end(handle, 150)
    lines = [json.loads(line) for line in (await bench.output(handle)).splitlines()]
    rows = [line for line in lines if "name" in line]
    for row in rows:
        sys.stdout.write(f"{'REACHED' if row['reached'] else 'held   '} {row['name']:<62} {row['detail'][:90]}\n")
    story = await host.client.get_workflow_handle(host.workflow_id).query(CountingEscalation.story)

    assert lines[-1:] == [{"done": len(rows)}], (state, lines[-1:])
    assert len({row["name"] for row in rows}) == len(rows) >= LEAST_WAYS
    assert [row for row in rows if row["reached"]] == []
    assert host.strangers == []
    assert story["effects"] == 0
    assert {r.path for r in host.arrived} == {"/v1/messages"}
    assert {r.headers["x-api-key"] for r in host.arrived} == {KEY}  # the key does travel, to the right place only
    assert "evil" not in "".join(f"{r.headers}{r.query_string}" for r in host.arrived)
    assert KEY not in host.process.log.read_text()


async def test_what_a_session_plants_leads_the_worker_nowhere(host: Host, bench: Bench) -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])  # noqa: ASYNC220  no waiting
    try:
        host.targets |= {"bystander": bystander.pid, "bystander_start": files.start_time(bystander.pid)}
        launch, handle = await _session(host, bench, "plant")
        planted = launch.folder.work / "planted"
        async with asyncio.timeout(20):
            while not planted.exists():
                await asyncio.sleep(0.05)
        tried = planted.read_text().splitlines()
        assert len(tried) == 7
        assert all(line.endswith(("No such file or directory", "Permission denied")) for line in tried), tried
        async with asyncio.timeout(20):
            seen = await bench.engine.read(handle, 0)
            state = await bench.engine.stop(handle, 0.2)
        assert host.canary not in f"{seen!r}{state}"
        await bench.engine.sweep(frozenset())
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


@pytest.mark.parametrize("mode", ["fork", "memory"])
async def test_a_bomb_is_bounded(host: Host, bench: Bench, mode: str) -> None:
    _, handle = await _session(host, bench, mode, limits=Limits(memory_mb=200, pids=60), timeout_s=12)
    state = await bench.end(handle, 40)
    assert state.reason in ({"oom"} if mode == "memory" else {"pids", "exited", "timeout"}), state
    assert not [p for p in Path("/proc").glob("[0-9]*/cmdline") if handle.session.encode() in _read(p)]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
