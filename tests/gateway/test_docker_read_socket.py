"""The socket that can only look, of the compose deployment: a container's own secrets do not pass it in any answer."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import ClientSession, UnixConnector, web

from adapters.doors.paths import listen
from deploy.compose.docker_read import Window
from gateway.docker_engine import DockerEngine
from gateway.docker_window import DockerWindow
from policy.docker_read import DockerRead
from policy.redaction import redactor
from tests.gateway.test_docker_door import looking
from tests.support import gateway
from tests.support.talkers import DB_PASSWORD, Talkers, secrets_in

pytestmark = pytest.mark.docker


@pytest_asyncio.fixture(name="socket")
async def _socket(tmp_path: Path) -> AsyncIterator[Path]:
    path = tmp_path / "docker-read.sock"
    async with ClientSession(connector=UnixConnector("/var/run/docker.sock")) as engine:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", Window(engine).handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.SockSite(runner, listen(path, 0o600)).start()
        yield path
        await runner.cleanup()


async def got(socket: Path, path: str) -> tuple[int, bytes]:
    async with ClientSession(connector=UnixConnector(str(socket))) as http, http.get(f"http://docker{path}") as answer:
        return answer.status, await answer.read()


@pytest.mark.parametrize("which", ["declared", "terminal"])
async def test_a_containers_own_password_is_masked_by_value_before_the_gateway_gets_it(
    socket: Path, shop: Talkers, which: str
) -> None:
    name = getattr(shop, which)
    for path in ("json", "logs?stdout=1&stderr=1", "logs?stdout=1&timestamps=1&tail=5", "top?ps_args=-ef"):
        status, body = await got(socket, f"/v1.41/containers/{name}/{path}")
        assert status == 200
        assert DB_PASSWORD.encode() not in body, path
    for path in ("containers/json?all=1", f"events?since=1&until={int(time.time()) + 1}"):
        status, body = await got(socket, f"/v1.41/{path}")
        assert (status, DB_PASSWORD.encode() in body) == (200, False), path
        assert (b"/usr/bin/python3" if "json" in path else b"exec_create: /bin/true") in body
    _, said = await got(socket, f"/containers/{name}/logs?stdout=1&stderr=1")
    assert b"the password is [redacted]" in said
    assert b"first line" in said


async def test_a_session_sees_the_same_lines_through_it_as_without_it(
    socket: Path, shop: Talkers, tmp_path: Path
) -> None:
    async with (
        looking(tmp_path / "a", shop) as straight,
        looking(tmp_path / "b", shop, f"unix://{socket}") as through,
    ):
        for name in (shop.declared, shop.terminal):
            path = f"/docker/v1.41/containers/{name}/logs?stdout=1&stderr=1"
            said: list[bytes] = []
            for room in (straight, through):
                async with gateway.through(await room.open(tier=1)) as client, client.get(path) as answer:
                    assert answer.status == 200
                    said.append(await answer.read())
            straight_lines, lines = (
                [line[:60] for line in one.split(b"\n") if b"tiercel: cut" not in line] for one in said
            )
            assert [line[8:] for line in straight_lines] == [
                line[8:] for line in lines
            ]  # which is cut tells of its length
            assert secrets_in(said[1].decode(errors="replace")) == []


async def test_what_is_not_there_or_not_offered_is_refused(socket: Path, shop: Talkers) -> None:
    assert (await got(socket, "/containers/tiercel-nobody/logs?stdout=1"))[0] == 404
    assert (await got(socket, f"/containers/{shop.declared}/logs?stdout=1&follow=1"))[0] == 403
    assert (await got(socket, f"/containers/{shop.declared}/archive?path=/"))[0] == 403
    assert (await got(socket, f"/containers/{shop.declared}/top?ps_args=e"))[0] == 403


async def test_the_gateways_window_works_through_it(socket: Path, shop: Talkers) -> None:
    engine = DockerEngine(f"unix://{socket}")
    records = gateway.RememberingRecords(inventory=shop.inventory())
    window = DockerWindow(engine, records.load_inventory, redactor(()))
    found = await window.inspected(DockerRead(kind="inspect", container=shop.declared))
    await engine.close()
    assert "DB_PASSWORD=***" in found["Config"]["Env"]
    assert secrets_in(found) == []
