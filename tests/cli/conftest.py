"""A filled record without an engine, shared by the tests that only read; and an engine for those that act."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import pytest

from adapters.database.pool import Pool
from domain.action import ActionKind
from tests.support import seed
from tests.support.commands import Shell
from tests.support.engine_room import Room, engine_room
from tests.support.postgres import TEMPLATE, TestServer
from tests.support.temporal import dev_server
from tests.support.world import World, a_service

NOBODY = "127.0.0.1:1"


@pytest.fixture(scope="module")
def household(postgres_server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A busy household; nothing answers where Temporal should be."""
    import asyncio

    async def fill(url: str) -> None:
        async with Pool(url) as pool:
            await seed.busy(pool, datetime.now(UTC))

    url = postgres_server.create(TEMPLATE)
    asyncio.run(fill(url))
    yield Shell({"DATABASE_URL": url, "TEMPORAL_ADDRESS": NOBODY, "TIERCEL_HOME": str(tmp_path_factory.mktemp("home"))})
    postgres_server.drop(url)


@pytest.fixture
def nowhere(tmp_path: object) -> Shell:
    """Nothing was ever started here."""
    return Shell({"TIERCEL_HOME": str(tmp_path)})


@pytest.fixture
async def at_work(pool: Pool, database_url: str, tmp_path: object) -> AsyncIterator[tuple[Room, Shell]]:
    """A worker at work, and commands that reach it."""
    world = World(
        [
            a_service("database", approval=(ActionKind.RESTART,)),
            a_service("web", aliases=("www",), depends_on=("local/database",)),
        ]
    )
    async with dev_server() as (client, address), engine_room(client, pool, world) as room:
        yield room, Shell({"DATABASE_URL": database_url, "TEMPORAL_ADDRESS": address, "TIERCEL_HOME": str(tmp_path)})
