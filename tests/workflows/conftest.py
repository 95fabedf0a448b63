"""One Temporal dev server and one fresh record per test."""

from collections.abc import AsyncIterator

import pytest

from adapters.database.pool import Pool
from tests.support.engine_room import Room, engine_room
from tests.support.temporal import dev_server
from tests.support.world import World, a_service


@pytest.fixture
def world() -> World:
    """A web app that depends on a database, and a worker behind the app."""
    return World(
        [
            a_service("database"),
            a_service("web", aliases=("www",), depends_on=("local/database",)),
            a_service("worker", depends_on=("local/web",)),
            a_service("other"),
        ]
    )


@pytest.fixture
async def room(pool: Pool, world: World) -> AsyncIterator[Room]:
    """Workers at work."""
    async with dev_server() as (client, _), engine_room(client, pool, world) as opened:
        yield opened
