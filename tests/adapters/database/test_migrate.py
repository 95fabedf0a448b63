"""The way to the schema: from nothing, again, in parallel, and refused where it does not fit."""

import asyncio
import re
import subprocess
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import psycopg
import pytest

from adapters.database.migrate import Migration, check_schema, migrate, migrations
from adapters.database.pool import Pool
from domain.errors import FatalError, OldSchemaError, RecordUnavailableError
from tests.support.postgres import TestServer, pg_dump

SCHEMA = files("adapters.database").joinpath("schema.sql").read_bytes()


def dump(url: str) -> str:
    argv = [str(pg_dump()), "--schema-only", "--no-owner", "--no-privileges", url]
    text = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    return re.sub(r"^\\(un)?restrict .*$", "", text, flags=re.MULTILINE)


async def test_the_migrations_lead_to_exactly_the_schema_file(
    postgres_server: TestServer, empty_database_url: str
) -> None:
    from_schema = postgres_server.create()
    with psycopg.connect(from_schema) as conn:
        conn.execute(SCHEMA)
    await migrate(empty_database_url)
    expected = dump(from_schema)
    assert "CREATE TABLE public.incident" in expected
    assert dump(empty_database_url) == expected, (
        "schema.sql and migrations/ differ: write a migration, or correct schema.sql"
    )


async def test_it_migrates_an_empty_database_once(empty_database_url: str) -> None:
    assert await migrate(empty_database_url) == [f"{m.version:04}_{m.name}" for m in migrations()]
    assert await migrate(empty_database_url) == []


async def test_several_starters_at_once_migrate_once(empty_database_url: str) -> None:
    ran = await asyncio.gather(*(migrate(empty_database_url) for _ in range(4)))
    # Whoever holds the lock runs the next one; what counts is that each ran once.
    assert sorted(name for names in ran for name in names) == [f"{m.version:04}_{m.name}" for m in migrations()]


async def test_it_refuses_a_migration_whose_text_was_changed_after_it_ran(database_url: str) -> None:
    changed = [replace(m, text=m.text + b"\n-- a harmless thought") for m in migrations()]
    with pytest.raises(OldSchemaError, match="0001 initial has another text"):
        await migrate(database_url, changed)


async def test_it_refuses_a_database_that_a_newer_version_made(database_url: str, pool: Pool) -> None:
    with psycopg.connect(database_url) as conn:
        conn.execute("INSERT INTO schema_version VALUES (9999, 'from_the_future', 'x')")
    with pytest.raises(OldSchemaError, match=r"newer tiercel.*9999 from_the_future"):
        await migrate(database_url)
    with pytest.raises(OldSchemaError, match="newer tiercel"):
        await check_schema(pool)


async def test_a_failing_migration_leaves_nothing_behind(database_url: str) -> None:
    bad = Migration(len(migrations()) + 1, "bad", b"CREATE TABLE half (); SELECT 1 / 0;")
    with pytest.raises(FatalError, match="rolled back: division by zero"):
        await migrate(database_url, [*migrations(), bad])
    with psycopg.connect(database_url) as conn:
        assert conn.execute("SELECT to_regclass('half')").fetchone() == (None,)
    assert await migrate(database_url) == []


async def test_the_check_passes_on_the_newest_schema(pool: Pool) -> None:
    await check_schema(pool)


async def test_the_check_names_the_command_where_the_database_is_empty(empty_database_url: str) -> None:
    async with Pool(empty_database_url) as pool:
        with pytest.raises(OldSchemaError, match=r"missing: 0001_initial.*tiercel db migrate"):
            await check_schema(pool)


async def test_an_absent_server_is_a_fault_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RecordUnavailableError, match="no Postgres answers"):
        await migrate(f"postgresql:///x?host={tmp_path}")


@pytest.mark.parametrize("names", [["0001_a.sql", "0003_b.sql"], ["0001_a.sql", "0001_b.sql"], ["1_a.sql"]])
def test_it_refuses_gaps_doubles_and_misspelt_names(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1")
    with pytest.raises(FatalError):
        migrations(tmp_path)
