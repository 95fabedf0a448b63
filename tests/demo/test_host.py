"""The manager itself: its protocol, and that nothing of it outlives it."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from demo.host import HostHandle, remove_host, start_host, tree
from domain.errors import ConfigurationError
from domain.ids import LOCAL_NODE
from tests.support.demo_host import World, demo_world

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.postgres]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[World]:
    async with demo_world() as made:
        yield made


async def everything(host: HostHandle) -> list[tree.Pid]:
    """All processes of the host, its own included."""
    own = tree.named(host.process.pid)
    assert own is not None
    return tree.below(own)


async def until_gone(processes: list[tree.Pid], limit_s: float = 10.0) -> list[tree.Pid]:
    for _ in range(int(limit_s / 0.05)):
        if not any(tree.alive(p) for p in processes):
            break
        await asyncio.sleep(0.05)
    return [p for p in processes if tree.alive(p)]


async def raw(host: HostHandle, line: bytes) -> dict[str, object]:
    reader, writer = await asyncio.open_unix_connection(str(host.socket))
    writer.write(line + b"\n")
    answer: dict[str, object] = json.loads(await reader.readline())
    writer.close()
    return answer


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"not json", "bad_request"),
        (b"[1]", "bad_request"),
        (b'{"unit": "web"}', "bad_request"),
        (b'{"op": "explode", "unit": "web"}', "bad_request"),
        (b'{"op": "restart", "unit": "../web"}', "unknown_unit"),
        (b'{"op": "restart", "unit": "web", "expect": "1:1"}', "refused"),
        (b'{"op": "start", "unit": "web"}', "refused"),
        (b'{"op": "unpause", "unit": "web"}', "refused"),
        (b'{"op": "reload", "unit": "worker"}', "refused"),
    ],
)
async def test_it_refuses_what_makes_no_sense_and_does_nothing(world: World, line: bytes, code: str):
    before = await world.host.state("web")
    assert (await raw(world.host, line))["code"] == code
    assert (await world.host.state("web")).identity == before.identity


async def test_only_its_own_user_may_give_orders(world: World):
    assert world.host.socket.stat().st_mode & 0o777 == 0o600


async def test_stop_and_start_and_stop_again(world: World):
    assert (await world.host.order("stop", "worker"))["ok"]
    assert (await world.host.state("worker")).status == "stopped"
    assert (await world.host.order("stop", "worker"))["ok"]
    assert (await world.host.order("start", "worker"))["ok"]
    assert (await world.host.state("worker")).running


async def test_no_credential_reaches_a_service(monkeypatch: pytest.MonkeyPatch, world: World):
    async with asyncio.timeout(60):
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-not-for-services")
        monkeypatch.setenv("TIERCEL_DEV_SECRET", "hidden")
        async with demo_world() as other:
            for process in await everything(other.host):
                environment = Path(f"/proc/{process.pid}/environ").read_bytes()
                assert b"sk-not-for-services" not in environment
                assert b"hidden" not in environment


async def test_a_second_host_on_the_same_folder_is_refused(world: World):
    with pytest.raises(ConfigurationError, match="in use by another demo"):
        await start_host(world.host.root)
    await world.until_green()


async def test_nothing_outlives_a_killed_manager_not_even_what_is_halted(tmp_path: Path):
    host = await start_host(tmp_path / "demo")
    processes = await everything(host)
    assert len(processes) > 5
    database, web = await host.pid("database"), await host.pid("web")
    assert database is not None
    assert web is not None
    tree.send(tree.below(database), signal.SIGSTOP)
    tree.send([web], signal.SIGSTOP)
    host.process.kill()
    await host.process.wait()
    assert await until_gone(processes) == []
    again = await start_host(tmp_path / "demo")
    assert again.ports == host.ports
    assert (await again.client.ask(LOCAL_NODE, "list", ""))["ok"]
    processes = await everything(again)
    await again.stop()
    assert await until_gone(processes) == []
    await remove_host(tmp_path / "demo")
    assert not (tmp_path / "demo").exists()
