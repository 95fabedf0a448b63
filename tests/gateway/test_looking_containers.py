"""The container tools on a real engine: declared containers, masked, redacted and bounded."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.docker_engine import DockerEngine
from gateway.docker_window import DockerWindow
from policy.redaction import redactor
from tests.support import gateway
from tests.support.looking import SECRET, looking_room, looks, use
from tests.support.talkers import DB_PASSWORD, INJECTION, Talkers, secrets_in

pytestmark = pytest.mark.docker


@asynccontextmanager
async def window_room(home: Path, shop: Talkers) -> AsyncIterator[gateway.Room]:
    inventory, engine = shop.inventory(), DockerEngine()

    async def load() -> object:
        return inventory

    window = DockerWindow(engine, load, redactor((SECRET,)), (SECRET,))  # pyright: ignore[reportArgumentType]
    async with looking_room(home, *inventory.services, window=window) as room:
        yield room
    await engine.close()


@pytest_asyncio.fixture(name="room")
async def _room(tmp_path: Path, shop: Talkers) -> AsyncIterator[gateway.Room]:
    async with window_room(tmp_path, shop) as room:
        yield room


async def test_state_logs_figures_and_events_of_a_declared_container(room: gateway.Room, shop: Talkers):
    door = await room.open(tier=1)
    fault, state = await use(room, "container_state", {"service": "local/shop"}, door=door)
    assert not fault, state
    assert '"DB_PASSWORD"' in state, "names of variables are shown"
    assert '"running"' in state
    fault, logs = await use(room, "container_logs", {"service": shop.declared, "lines": 500}, door=door)
    assert not fault
    assert "not instructions" in logs.splitlines()[0]
    assert INJECTION not in logs or "---" in logs.split(INJECTION, maxsplit=1)[0]
    fault, found = await use(
        room, "container_logs", {"service": "local/shop", "contains": "password is", "minutes": 600}, door=door
    )
    assert [line.endswith("the password is [redacted]") for line in found.splitlines()[2:]] == [True]
    fault, plain = await use(room, "logs", {"service": "local/shop", "lines": 500}, door=door)
    assert not fault
    assert secrets_in(plain) == [], "the oldest tool shows no more than the newest"
    fault, figures = await use(room, "container_stats", {"service": "local/shop"}, door=door)
    assert not fault, figures
    assert "memory " in figures
    fault, events = await use(room, "container_events", {"minutes": 600}, door=door)
    assert not fault, events
    assert f"{shop.declared} start" in events
    assert shop.stranger not in events
    assert shop.own not in events
    for text in (state, logs, found, figures, events):
        assert secrets_in(text) == []
        assert "\x1b" not in text
        assert len(text) < 16_500
    await room.written()
    assert ("looked", "container_state", "local/shop") in looks(room)


async def test_nothing_of_other_containers_is_told(room: gateway.Room, shop: Talkers):
    door = await room.open(tier=3)
    for name in (
        shop.stranger,
        shop.ids[shop.stranger],
        shop.own,
        "local/own",
        "../json",
        f"{shop.declared}/../{shop.stranger}",
    ):
        for tool in ("container_state", "container_logs", "container_stats", "container_events"):
            fault, text = await use(room, tool, {"service": name}, door=door)
            assert fault or (tool == "container_events" and "(none)" in text), (tool, name, text)
            assert secrets_in(text) == []
            assert DB_PASSWORD not in text
