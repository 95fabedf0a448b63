"""Faults of the database become ours, with the decision whether a repetition helps, and without any secret."""

import asyncio
from pathlib import Path

import psycopg
import pytest

from adapters.database.incidents import IncidentStore
from adapters.database.pool import Connection, Pool, conninfo, query
from adapters.database.reads import Reads
from domain.errors import FatalError, OldSchemaError, RecordUnavailableError
from tests.support.postgres import TestServer
from tests.support.record import INCIDENT, NOON, an_alert

FOLDER = Path("adapters/database")


async def test_a_server_that_is_away_is_a_transient_fault(tmp_path: Path) -> None:
    pool = Pool(f"postgresql://ada:hunter2@/x?host={tmp_path}")
    with pytest.raises(RecordUnavailableError, match="no Postgres answers") as caught:
        await pool.open(timeout_s=0.3)
    assert "hunter2" not in str(caught.value)


def test_an_address_that_cannot_be_read_is_a_fault_without_the_address() -> None:
    with pytest.raises(FatalError, match="DATABASE_URL cannot be read") as caught:
        conninfo("postgresql://ada:hunter2@[broken")
    assert "hunter2" not in str(caught.value)


async def test_a_missing_table_is_an_old_schema(empty_database_url: str) -> None:
    async with Pool(empty_database_url) as pool:
        with pytest.raises(OldSchemaError, match="tiercel db migrate"):
            await Reads(pool).incidents()


async def test_a_violated_rule_is_final(pool: Pool) -> None:
    """An actor of an unknown kind stays one: repeating would not help."""
    with pytest.raises(FatalError, match="audit_actor_kind_check"):
        await IncidentStore(pool).audit("k", NOON, "ghost", "", "haunt", "", {})


async def test_a_statement_that_takes_too_long_is_given_up(pool: Pool) -> None:
    async def work(conn: Connection) -> None:
        await conn.execute("SET LOCAL statement_timeout = '10ms'")
        await conn.execute("SELECT pg_sleep(5)")

    with pytest.raises(RecordUnavailableError, match="statement timeout"):
        await pool.run(work)


async def test_every_session_runs_in_utc_and_with_time_limits(pool: Pool) -> None:
    async with pool.connection() as conn:
        for name, value in {"TimeZone": "UTC", "statement_timeout": "20s", "application_name": "tiercel"}.items():
            row = await (await conn.execute("SELECT current_setting(%s)", (name,))).fetchone()
            assert row == (value,)


def test_what_the_owner_wrote_into_the_address_wins() -> None:
    text = conninfo("postgresql:///x?application_name=mine&options=-c%20statement_timeout%3D1s")
    assert "application_name=mine" in text
    assert text.index("statement_timeout=20s") < text.index("statement_timeout=1s")  # Postgres takes the last


async def test_a_write_goes_on_after_every_backend_was_terminated(database_url: str, pool: Pool) -> None:
    store = IncidentStore(pool)
    for n in range(5):
        with psycopg.connect(database_url, autocommit=True) as conn:
            conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        await store.audit(f"k{n}", NOON, "system", "", "test", "", {})
    assert len((await Reads(pool).audit()).rows) == 5


async def test_a_connection_that_breaks_inside_the_work_is_replaced_and_the_work_repeated(
    database_url: str, pool: Pool
) -> None:
    tries = 0

    async def work(conn: Connection) -> int:
        nonlocal tries
        tries += 1
        if tries == 1:
            with psycopg.connect(database_url, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s)", (conn.info.backend_pid,))
        await conn.execute("SELECT 1")
        return tries

    assert await pool.run(work) == 2


async def test_many_readers_share_few_connections(pool: Pool) -> None:
    await IncidentStore(pool).incident_opened(INCIDENT, an_alert(), "w", "r", False, True, "", "")
    pages = await asyncio.gather(*(Reads(pool).incidents() for _ in range(100)))
    assert {len(page.rows) for page in pages} == {1}


async def test_the_record_comes_back_after_a_restart_of_the_server() -> None:
    server = TestServer()
    server.start()
    try:
        async with Pool(server.url()) as pool:
            server.stop(keep=True)
            with pytest.raises(RecordUnavailableError):
                await asyncio.wait_for(pool.rows("has_schema"), 30)
            server.start()
            assert await pool.rows("has_schema") == [(None,)]
    finally:
        server.stop()


def test_every_query_file_is_used_and_every_used_query_exists() -> None:
    code = "\n".join(path.read_text() for path in FOLDER.glob("*.py"))
    names = {path.stem for path in (FOLDER / "queries").glob("*.sql")}
    unused = {name for name in names if f'"{name}"' not in code and not name.startswith("prune_")}
    assert not unused
    for name in names:
        assert query(name).strip()
        assert len(query(name).splitlines()) <= 50, name
