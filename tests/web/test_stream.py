"""The stream over HTTP: exact resume by Last-Event-ID alone, over many broken connections and several logs."""

import asyncio
import json
import random
from datetime import UTC, datetime

import aiohttp
import pytest

from adapters.database.sessions import SessionStore
from domain.ids import IncidentId, SessionId
from domain.session import OutputLine
from tests.support import seed
from tests.support.browser import Dashboard
from web.live import cursor

pytestmark = pytest.mark.asyncio(loop_scope="module")

LOGS = tuple(SessionId(f"5f0c6a4e-0000-5000-8000-00000000a00{n}") for n in (1, 2))
LINES = 240
READERS = 8


async def test_many_broken_connections_lose_and_double_nothing(house: Dashboard):
    stores = seed.Stores.on(house.pool)
    for name in LOGS:
        await stores.sessions.session_started(
            seed.order(IncidentId("inc_stream"), name, 2), seed.WALLED, scripted=False, at=datetime.now(UTC)
        )
    async with aiohttp.ClientSession(house.url, connector=aiohttp.TCPConnector(limit=50)) as web:
        results = await asyncio.gather(
            *(_read(web, n) for n in range(READERS)), *(_write(house, name) for name in LOGS)
        )
    reconnects = 0
    for result in results[:READERS]:
        assert result is not None
        seen, connections = result
        reconnects += connections
        assert seen == {f"{name}:1": list(range(1, LINES + 1)) for name in LOGS}
    assert reconnects > READERS * 5


async def _write(house: Dashboard, name: SessionId) -> None:
    store, last = SessionStore(house.pool), 0
    while last < LINES:
        count = min(random.randint(1, 6), LINES - last)
        lines = [OutputLine(seq=last + n, at=datetime.now(UTC), text=f"line {last + n}") for n in range(1, count + 1)]
        await store.append_output(name, 1, lines)
        last += count
        await asyncio.sleep(0.01)


async def _read(web: aiohttp.ClientSession, number: int) -> tuple[dict[str, list[int]], int]:
    chance = random.Random(number)
    seen: dict[str, list[int]] = {f"{name}:1": [] for name in LOGS}
    last_id, connections = "", 0
    while any(len(lines) < LINES for lines in seen.values()):
        connections += 1
        after = ",".join(f"{name}:1:0" for name in LOGS)  # as the page first asked; the id says how far it really came
        headers = {"Last-Event-ID": last_id} if last_id else {}
        async with web.get("/stream", params={"topics": "incident", "after": after}, headers=headers) as answer:
            for _ in range(chance.randint(1, 5)):
                last_id = await _event(answer, seen) or last_id
                if all(len(lines) >= LINES for lines in seen.values()):
                    break
    return seen, connections


async def _event(answer: aiohttp.ClientResponse, seen: dict[str, list[int]]) -> str:
    fields: dict[str, str] = {}
    while line := (await asyncio.wait_for(answer.content.readline(), 15)).decode().rstrip("\r\n"):
        name, _, value = line.partition(": ")
        fields[name] = value
    if fields.get("event") == "log":
        data = json.loads(fields["data"])
        seen[data["log"]] += range(data["first"], data["last"] + 1)
        assert data["html"].count("<li ") == data["last"] - data["first"] + 1
    assert cursor.write(cursor.parse(fields.get("id", ""))) == fields.get("id", "")
    return fields.get("id", "")
