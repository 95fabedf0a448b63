"""One session cannot take the gateway away from the others, whatever it floods it with."""

import asyncio
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

from aiohttp import web

from adapters.doors.paths import reachable
from domain.ports import Door
from gateway.bounds import DoorBounds, DoorLimits, Memory
from gateway.guard import leads_elsewhere
from gateway.recorder import Recorder
from tests.gateway.test_doors import GATE_CALL
from tests.gateway.test_model_proxy import BODY, HEADERS, PATH
from tests.support import gateway

HEAD = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nx-api-key: p\r\n".encode()


async def connect(door: Door) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    with reachable(door.folder.socket) as path:
        return await asyncio.open_unix_connection(path)


async def ended(reader: asyncio.StreamReader) -> bool:
    async with asyncio.timeout(10):
        with suppress(ConnectionError):
            return await reader.read() == b""
        return True


async def works(door: Door) -> bool:
    async with asyncio.timeout(10), gateway.through(door) as client, client.post("/gate", json=GATE_CALL) as answer:
        return answer.status == 200


async def test_a_door_takes_so_many_connections_and_another_door_does_not_notice(tmp_path: Path):
    async with gateway.room(tmp_path, limits=DoorLimits(connections=8)) as room:
        hostile, other = await room.open(), await room.open()
        held = [await connect(hostile) for _ in range(8)]
        late = [await connect(hostile) for _ in range(200)]
        for reader, _ in late:
            assert await ended(reader)
        assert await works(other)
        held[0][1].close()
        await held[0][1].wait_closed()
        async with asyncio.timeout(5):
            while not await _lets_in(hostile):
                await asyncio.sleep(0)
        for _, writer in held + late:
            writer.close()
        await room.keeper.close(hostile.session)
        await room.written()
    [limits] = [detail for action, _, detail in room.records.audits.values() if action == "door.limited"]
    assert int(str(limits["refused_over_limits"])) >= 200


async def _lets_in(door: Door) -> bool:
    with suppress(Exception):
        return await works(door)
    return False


async def test_a_head_that_never_ends_a_body_that_never_comes_and_silence_are_ended(tmp_path: Path):
    quick = DoorLimits(head_s=0.1, body_s=0.1, idle_s=0.3)
    async with gateway.room(tmp_path, limits=quick) as room:
        door = await room.open()
        for begun in (b"", b"P", b"POST /gate HTTP/1.1\r\nHost: x\r\nX-A: ", HEAD + b"Content-Length: 10\r\n\r\n{"):
            reader, writer = await connect(door)
            writer.write(begun)
            async with asyncio.timeout(20):
                with suppress(ConnectionError):
                    assert b" 200 " not in await reader.read()
            writer.close()
        assert await works(door)


async def test_a_flood_of_requests_is_told_to_wait_and_another_door_goes_on(tmp_path: Path):
    async with gateway.room(tmp_path, limits=DoorLimits(burst=20, per_s=0.001)) as room:
        hostile, other = await room.open(), await room.open()
        async with gateway.through(hostile) as client:
            statuses: list[int] = []
            for _ in range(40):
                async with client.post("/gate", json=GATE_CALL) as answer:
                    statuses.append(answer.status)
        assert statuses == [200] * 20 + [429] * 20
        assert await works(other)


async def test_requests_in_flight_are_counted_and_given_back(tmp_path: Path):
    go_on, arrived = asyncio.Event(), asyncio.Semaphore(0)

    async def model(request: web.Request) -> web.StreamResponse:
        arrived.release()
        await go_on.wait()
        return web.json_response({})

    async with (
        gateway.upstream(model) as url,
        gateway.room(tmp_path, url, limits=DoorLimits(requests=3)) as room,
        AsyncExitStack() as stack,
    ):
        hostile, other = await room.open(), await room.open()
        client = await stack.enter_async_context(gateway.through(hostile))
        running = [asyncio.create_task(_status(client)) for _ in range(3)]
        for _ in running:
            await asyncio.wait_for(arrived.acquire(), 5)
        assert await _status(client) == 429
        assert await works(other)
        go_on.set()
        assert await asyncio.gather(*running) == [200] * 3
        assert await _status(client) == 200


async def _status(client: Any) -> int:
    async with client.post(PATH, json=BODY, headers=HEADERS) as answer:
        await answer.read()
        return answer.status


async def test_bodies_are_bounded_over_all_doors_and_given_back(tmp_path: Path):
    async def model(request: web.Request) -> web.StreamResponse:
        return web.json_response({})

    memory, half = Memory(1 << 20), b" " * (400 << 10)
    async with gateway.upstream(model) as url, gateway.room(tmp_path, url, memory=memory) as room:
        doors = [await room.open() for _ in range(4)]
        held: list[asyncio.StreamWriter] = []
        for door in doors[:3]:
            _, writer = await connect(door)
            writer.write(HEAD + f"Content-Length: {1 << 20}\r\n\r\n".encode() + half)
            await writer.drain()
            held.append(writer)
        async with asyncio.timeout(10):
            while memory.held < 2 * len(half):
                await asyncio.sleep(0.01)
        assert memory.held <= 1 << 20
        for writer in held:
            writer.close()
        async with asyncio.timeout(10):
            while memory.held:
                await asyncio.sleep(0.01)
        async with gateway.through(doors[3]) as client:
            assert await _status(client) == 200
        assert memory.held == 0


async def test_a_session_that_floods_the_record_loses_its_own_entries_only():
    recorder, done = Recorder(limit=100, per_session=50), list[str]()

    def write(name: str):
        async def now():
            done.append(name)

        return now

    for n in range(500):
        recorder.put("x", write(f"hostile {n}"), "hostile")
        if n % 50 == 0:
            recorder.put("x", write(f"other {n}"), "other")
    recorder.start()
    await recorder.close()
    assert len([d for d in done if d.startswith("other")]) == 10
    assert done.index("other 450") < done.index("hostile 470")  # in turn, not behind the flood
    assert done[-1] == "hostile 499"
    assert (recorder.lost, recorder.lost_of("hostile"), recorder.lost_of("other")) == (450, 450, 0)


def test_requests_refill_with_time_and_a_large_body_costs_more():
    now = [0.0]
    bounds = DoorBounds(DoorLimits(burst=10, per_s=1), now=lambda: now[0])
    assert [bounds.begin() == "" for _ in range(11)] == [True] * 10 + [False]
    now[0] = 2.0
    assert bounds.begin() == ""
    bounds.spend(32)
    assert bounds.begin() != ""
    now[0] = 34.5
    assert bounds.begin() == ""


def test_what_is_meant_for_elsewhere_is_known_by_its_first_bytes():
    for line, means in {
        b"POST /model": False,
        b"OPTIONS *": False,
        b"CONNECT a.example:443": True,
        b"connect a": True,
        b"GET http://a": True,
        b"GET HTTP://a": True,
        b"GET https://a": True,
        b"GET httpx": False,
        b"GET ht": None,
        b"GE": None,
        b"\r\nCONNECT x": True,
        b"X" * 60: False,
        b"": None,
    }.items():
        assert leads_elsewhere(line) is means, line
