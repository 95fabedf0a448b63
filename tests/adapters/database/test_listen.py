"""Who listens hears everything that is committed while connected, and is woken after every gap."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import psycopg
import pytest

from adapters.database.incidents import IncidentStore
from adapters.database.listen import Listener
from adapters.database.output import OutputStore
from adapters.database.pool import CHANGED, OUTPUT, Pool
from domain.incident import IncidentState
from tests.support.postgres import TestServer, database_of
from tests.support.record import INCIDENT, SESSION, an_alert, an_approval, at, lines


class Ear:
    """Keeps what was heard; "wake" stands for wake_everybody."""

    def __init__(self, url: str) -> None:
        self.heard: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self.listener = Listener(
            url,
            [CHANGED, OUTPUT],
            lambda *note: self.heard.put_nowait(note),
            lambda: self.heard.put_nowait(("wake", "")),
        )

    async def next(self) -> tuple[str, str]:
        return await asyncio.wait_for(self.heard.get(), 10)


@pytest.fixture
async def ear(database_url: str) -> AsyncIterator[Ear]:
    ear = Ear(database_url)
    task = asyncio.create_task(ear.listener.run())
    assert await ear.next() == ("wake", "")
    yield ear
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_it_hears_one_topic_per_write(pool: Pool, ear: Ear) -> None:
    store = IncidentStore(pool)
    await store.incident_opened(INCIDENT, an_alert(), "w", "r", False, True, "", "")
    assert await ear.next() == (CHANGED, f"incident:{INCIDENT}")
    await store.save_approval(an_approval())
    assert {await ear.next(), await ear.next()} == {(CHANGED, f"incident:{INCIDENT}"), (CHANGED, "approval")}


async def test_a_write_that_changes_nothing_tells_nobody(pool: Pool, ear: Ear) -> None:
    store = IncidentStore(pool)
    for _ in range(3):
        await store.incident_opened(INCIDENT, an_alert(), "w", "r", False, True, "", "")
    await store.incident_state(INCIDENT, IncidentState.RESOLVED, 2, "fixed", at(60))
    await store.incident_state(INCIDENT, IncidentState.OPEN, 1, "late", at(30))
    await OutputStore(pool).append_output(SESSION, 1, lines(1, 1))
    heard = [await ear.next() for _ in range(3)]
    assert heard == [(CHANGED, f"incident:{INCIDENT}")] * 2 + [(OUTPUT, f"{SESSION}:1:1")]


async def test_after_a_lost_connection_it_listens_again_and_wakes_everybody(
    postgres_server: TestServer, database_url: str, pool: Pool, ear: Ear
) -> None:
    cut_all_connections(postgres_server, database_url)
    assert await ear.next() == ("wake", "")
    await OutputStore(pool).append_output(SESSION, 1, lines(1, 3))
    assert await ear.next() == (OUTPUT, f"{SESSION}:1:3")


async def test_it_waits_for_a_server_that_is_away(postgres_server: TestServer, empty_database_url: str) -> None:
    postgres_server.drop(empty_database_url)
    ear = Ear(empty_database_url)
    task = asyncio.create_task(ear.listener.run())
    await asyncio.sleep(0.3)
    assert ear.heard.empty()
    with psycopg.connect(postgres_server.url(), autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {database_of(empty_database_url)}".encode())
    assert await ear.next() == ("wake", "")
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def cut_all_connections(server: TestServer, url: str) -> None:
    with psycopg.connect(server.url()) as conn:
        conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (database_of(url),))
