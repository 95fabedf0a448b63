"""Fixtures that every room may use: a real Postgres, fresh migrated databases, a pool."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from adapters.database.migrate import migrate
from adapters.database.pool import Pool
from tests.support.postgres import TEMPLATE, TestServer

pytest_plugins = ["tests.support.required"]


def pytest_configure(config: pytest.Config) -> None:
    """Apprise loads all its plugins at once, and one of their libraries imports a module that Python will drop."""
    config.addinivalue_line("filterwarnings", "ignore:'imghdr' is deprecated:DeprecationWarning")


def _migrate(url: str) -> None:
    asyncio.run(migrate(url))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[TestServer]:
    """One real Postgres for the whole run."""
    server = TestServer()
    try:
        server.start()
        server.make_template(_migrate)
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def postgres_url(postgres_server: TestServer) -> str:
    """The server's own maintenance database, for tests that create databases themselves."""
    return postgres_server.url()


@pytest.fixture
def empty_database_url(postgres_server: TestServer) -> Iterator[str]:
    """A new database without any table."""
    url = postgres_server.create()
    yield url
    postgres_server.drop(url)


@pytest.fixture
def database_url(postgres_server: TestServer) -> Iterator[str]:
    """A new database with the newest schema and no rows."""
    url = postgres_server.create(TEMPLATE)
    yield url
    postgres_server.drop(url)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """A pool on a fresh database."""
    async with Pool(database_url) as opened:
        yield opened
