"""What the door costs: the same requests straight to model and container engine, and through relay, socket and gateway.

All in one run and taking turns, so that what else this machine does falls on both. The gateway is the real process with
the real record; the model is a process of its own too.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from adapters.database.health import HealthStore
from adapters.database.pool import Pool
from claude.argv import API_KEY_PLACEHOLDER
from config.clock import SystemClock
from config.settings import Settings
from domain.inventory import Inventory, ServiceKind
from domain.ports import Door
from tests.bench.figures import percentile, show
from tests.bench.record import with_record
from tests.support.gateway import MODELS, make_door
from tests.support.gateway_process import GatewayProcess
from tests.support.world import a_service

TIER = 2
SESSIONS = 16
DOORS = 100
MODEL_GOAL = "p50 under 5 ms"
DOCKER_GOAL = "p50 under 3 ms"
DOCKER_SOCKET = "/var/run/docker.sock"
WORDS = 200
SCENARIO = f"""
name: bench
about: The same answer to everything.
delay_s: 0
pace_s: 0
rules:
  - name: answer
    tier: {TIER}
    steps:
      - say: {" ".join(["word"] * WORDS)}
  - name: slow
    tier: 3
    steps:
      - {{say: {" ".join(["word"] * WORDS)}, delay_s: 4}}
"""
_MODEL = "from demo.model.__main__ import main; import sys; sys.exit(main())"
_RELAY = """
import sys, time
from adapters.containers.relay import Relay, listen
listener = listen(0)
Relay(listener, sys.argv[1]).start()
print(listener.getsockname()[1], flush=True)
while True: time.sleep(3600)
"""


@dataclass(frozen=True)
class Took:
    """One request, in milliseconds: to the first byte of the answer's body, and to its end."""

    first: float
    whole: float


@dataclass
class Place:
    """What runs."""

    gateway: GatewayProcess
    model: str
    stack: AsyncExitStack

    async def door(self, tier: int = TIER) -> Door:
        door = make_door(self.gateway.home, tier, budget_usd=1e6)
        await self.gateway.doors.open(door)
        return door

    async def session(self, tier: int = TIER) -> aiohttp.ClientSession:
        """A client behind a door and a relay of its own, as a session is."""
        door = await self.door(tier)
        port = await child(self.stack, _RELAY, str(door.folder.socket))
        return await self.stack.enter_async_context(aiohttp.ClientSession(f"http://127.0.0.1:{port.strip()}/model/"))

    async def engine(self) -> aiohttp.ClientSession:
        """A client straight at the container engine."""
        connector = aiohttp.UnixConnector(DOCKER_SOCKET)
        return await self.stack.enter_async_context(aiohttp.ClientSession("http://docker", connector=connector))

    def memory(self) -> float:
        """Bytes that only the gateway has."""
        assert self.gateway.process
        return float(psutil.Process(self.gateway.process.pid).memory_full_info().uss)


async def child(stack: AsyncExitStack, code: str, *arguments: str) -> str:
    """Start Python on `code`; its first line."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, *arguments, stdout=asyncio.subprocess.PIPE, env=dict(os.environ)
    )
    assert process.stdout

    async def end() -> None:
        process.kill()
        await process.wait()

    stack.push_async_callback(end)
    return (await process.stdout.readline()).decode()


@asynccontextmanager
async def place(database_url: str) -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tb-")))
        scenario = folder / "scenario.yaml"
        scenario.write_text(SCENARIO, encoding="utf-8")
        model = (await child(stack, _MODEL, "--scenario", str(scenario))).rpartition(" ")[2].strip()
        gateway = GatewayProcess(folder / "home", model, database_url=database_url)
        await gateway.start()
        stack.push_async_callback(gateway.stop)
        yield Place(gateway, model, stack)


# ---------------------------------------------------------------- requests


def body(kilobytes: int, tier: int = TIER) -> bytes:
    """A request as the CLI makes it, with so much of a conversation."""
    turn = "All services were looked at, and this is what they said. " * 18  # one kilobyte
    said = [{"role": "user", "content": [{"type": "text", "text": turn}] * kilobytes}]
    tools = [{"name": f"tool{n}", "description": turn[:300], "input_schema": {"type": "object"}} for n in range(8)]
    system = f"Tiercel tier: {tier}\n{turn}"
    fields: dict[str, Any] = {"model": MODELS[tier], "max_tokens": 4096, "stream": True, "system": system}
    return json.dumps({**fields, "tools": tools, "messages": said}).encode()


async def ask(http: aiohttp.ClientSession, data: bytes) -> Took:
    headers = {"x-api-key": API_KEY_PLACEHOLDER, "Content-Type": "application/json"}
    began, first = time.perf_counter(), 0.0
    async with http.post("v1/messages", data=data, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        async for _ in answer.content.iter_any():
            first = first or time.perf_counter()
    return Took((first - began) * 1000, (time.perf_counter() - began) * 1000)


async def call(http: aiohttp.ClientSession, method: str, params: dict[str, Any]) -> float:
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    began = time.perf_counter()
    async with http.post("/mcp", json=message) as answer:
        told = await answer.json()
    assert not told["result"].get("isError"), told
    return (time.perf_counter() - began) * 1000


async def taking_turns(
    rounds: int, one: Callable[[], Awaitable[Took]], other: Callable[[], Awaitable[Took]]
) -> tuple[list[Took], list[Took]]:
    """Both, `rounds` times, each as often first as second."""
    left: list[Took] = []
    right: list[Took] = []
    for n in range(rounds):
        if n % 2:
            left.append(await one())
        right.append(await other())
        if not n % 2:
            left.append(await one())
    return left, right


def compare(what: str, straight: Sequence[float], door: Sequence[float], goal: str = "") -> None:
    added = [mine - bare for mine, bare in zip(door, straight, strict=True)]
    for share, name in ((0.5, "p50"), (0.95, "p95")):
        bare, mine = percentile(straight, share), percentile(door, share)
        show(f"{what}, {name}", f"{bare:.1f} -> {mine:.1f} ms ({mine / bare:.2f} x)")
    show(f"{what}, added, p50 of pairs", f"{percentile(added, 0.5):.2f} ms", goal)


# ---------------------------------------------------------------- what is measured


async def requests(here: Place, rounds: int) -> None:
    async with aiohttp.ClientSession(f"{here.model}/") as straight:
        for kilobytes, goal in ((40, MODEL_GOAL), (400, "")):
            through = await here.session()  # each its own: a door allows a burst of 300
            data = body(kilobytes)
            for http in (straight, through):
                await ask(http, data)
            bare, mine = await taking_turns(
                rounds, lambda d=data: ask(straight, d), lambda d=data, t=through: ask(t, d)
            )
            name = f"model request of {len(data) >> 10} kB"
            compare(f"{name}, first byte", [t.first for t in bare], [t.first for t in mine], goal)
            compare(f"{name}, whole answer", [t.whole for t in bare], [t.whole for t in mine], goal)


async def tools(here: Place, rounds: int) -> None:
    for what, method, params in (
        ("tool server, ping", "ping", {}),
        ("tool server, list of tools", "tools/list", {}),
        ("tool call `services` (50 services, two reads of the record)", "tools/call", {"name": "services"}),
    ):
        http = await here.session()
        await call(http, method, params)
        taken = [await call(http, method, params) for _ in range(rounds)]
        show(f"{what}, p50, p95", f"{percentile(taken, 0.5):.1f}, {percentile(taken, 0.95):.1f} ms")


async def docker_reads(here: Place, rounds: int, container: str) -> None:
    async def one(http: aiohttp.ClientSession, path: str) -> Took:
        began = time.perf_counter()
        async with http.get(path) as answer:
            assert answer.status == 200, await answer.text()
            await answer.read()
        took = (time.perf_counter() - began) * 1000
        return Took(took, took)

    for what, path in (
        ("state", f"/v1.41/containers/{container}/json"),
        ("list", "/v1.41/containers/json?all=1"),
        ("logs, 100 lines", f"/v1.41/containers/{container}/logs?stdout=1&stderr=1&tail=100"),
    ):
        straight, through = await here.engine(), await here.session()
        for http, prefix in ((straight, ""), (through, "/docker")):
            await one(http, prefix + path)
        bare, mine = await taking_turns(
            rounds, lambda s=straight, p=path: one(s, p), lambda t=through, p=path: one(t, f"/docker{p}")
        )
        compare(f"Docker read, {what}", [t.whole for t in bare], [t.whole for t in mine], DOCKER_GOAL)


@contextmanager
def something_to_look_at() -> Iterator[str]:
    """A container that has said 200 lines; "" where no engine answers."""
    if subprocess.run(["docker", "version"], capture_output=True, check=False).returncode:
        yield ""
        return
    name = f"tiercel-bench-{uuid.uuid4().hex[:8]}"
    said = "i=0; while [ $i -lt 200 ]; do echo line $i of the bench; i=$((i+1)); done; exec sleep 3600"
    argv = [
        "docker",
        "run",
        "-d",
        "--name",
        name,
        "--network",
        "none",
        "--label",
        "tiercel.bench=1",
        "--entrypoint",
        "sh",
    ]
    subprocess.run([*argv, Settings().session_image, "-c", said], check=True, capture_output=True)
    try:
        yield name
    finally:
        subprocess.run(["docker", "rm", "-f", name], check=True, capture_output=True)


async def side_by_side(here: Place, rounds: int) -> None:
    data = body(40)

    async def talk(http: aiohttp.ClientSession) -> list[Took]:
        return [await ask(http, data) for _ in range(rounds)]

    async def all_of(clients: Sequence[aiohttp.ClientSession]) -> tuple[float, list[float]]:
        began = time.perf_counter()
        told = await asyncio.gather(*(talk(http) for http in clients))
        return SESSIONS * rounds / (time.perf_counter() - began), [t.whole for one in told for t in one]

    through = [await here.session() for _ in range(SESSIONS)]
    async with AsyncExitStack() as stack:
        straight = [await stack.enter_async_context(aiohttp.ClientSession(f"{here.model}/")) for _ in range(SESSIONS)]
        bare_rate, bare = await all_of(straight)
        rate, mine = await all_of(through)
    name = f"{SESSIONS} sessions side by side"
    show(f"{name}, requests a second", f"{bare_rate:.0f} -> {rate:.0f}")
    show(f"{name}, p50", f"{percentile(bare, 0.5):.0f} -> {percentile(mine, 0.5):.0f} ms")
    show(f"{name}, slowest", f"{max(bare):.0f} -> {max(mine):.0f} ms")


async def memory(here: Place) -> None:
    await here.door()
    before = here.memory()
    for _ in range(DOORS):
        await here.door()
    opened = here.memory()
    show(f"memory of the gateway, {DOORS} doors open", f"{opened / 1e6:.0f} MB")
    show("memory per open door", f"{(opened - before) / DOORS / 1e3:.0f} kB")
    busy = [await here.session(3) for _ in range(SESSIONS)]
    quiet = here.memory()
    asking = [asyncio.create_task(ask(http, body(400, 3))) for http in busy]
    largest = quiet
    while not all(task.done() for task in asking):
        largest = max(largest, here.memory())
        await asyncio.sleep(0.1)
    await asyncio.gather(*asking)
    show("memory per busy door (400 kB request under way), at most", f"{(largest - quiet) / SESSIONS / 1e3:.0f} kB")
    again = [await asyncio.gather(*(ask(http, body(400, 3)) for http in busy)) for _ in range(2)]
    show(f"memory kept after {SESSIONS * (len(again) + 1)} such requests", f"{(here.memory() - quiet) / 1e6:.1f} MB")


async def measure(url: str, rounds: int, container: str) -> None:
    async with Pool(url) as pool:
        shop = a_service("shop").model_copy(update={"kind": ServiceKind.CONTAINER, "target": container})
        inventory = Inventory(services=(*(a_service(f"s{n}") for n in range(49)), shop))
        await HealthStore(pool).save_inventory(inventory, SystemClock().now())
    async with place(url) as here:
        await requests(here, rounds)
        await tools(here, rounds)
        if container:
            await docker_reads(here, rounds, container)
        else:
            show("Docker read", "no engine answers; not measured", DOCKER_GOAL)
    async with place(url) as here:
        await side_by_side(here, max(5, rounds // 10))
    async with place(url) as here:
        await memory(here)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=200)
    rounds = parser.parse_args().rounds
    with something_to_look_at() as container:
        with_record(lambda url: measure(url, rounds, container))


if __name__ == "__main__":
    main()
