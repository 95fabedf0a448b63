"""Migrations: forward only, one transaction per file, each file fixed for ever once it has run somewhere."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow, class_row

from adapters.database.pool import Pool, conninfo, query, translated
from domain.errors import FatalError, OldSchemaError, RecordUnavailableError

REMEDY = "run `tiercel db migrate` (`tiercel up` does it by itself)"
_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of migrations/."""

    version: int
    name: str
    text: bytes

    @property
    def sha256(self) -> str:
        """Identifies the text, so that a later change of a file that has run is noticed."""
        return hashlib.sha256(self.text).hexdigest()


@dataclass(frozen=True, slots=True)
class Applied:
    """A migration that this database has seen."""

    version: int
    name: str
    sha256: str


def migrations(folder: Traversable | None = None) -> tuple[Migration, ...]:
    """All migrations in order. Raises FatalError where numbers are missing, doubled or misspelt."""
    folder = folder or files("adapters.database").joinpath("migrations")
    found: list[Migration] = []
    for file in folder.iterdir():
        if not file.name.endswith(".sql"):
            continue
        match = _NAME.fullmatch(file.name)
        if match is None:
            raise FatalError(f"migrations/{file.name}: name it like 0002_what_it_does.sql")
        found.append(Migration(int(match[1]), match[2], file.read_bytes()))
    found.sort(key=lambda m: m.version)
    if [m.version for m in found] != list(range(1, len(found) + 1)):
        raise FatalError("migrations must be numbered 0001, 0002, ... without gaps and without doubles")
    return tuple(found)


def pending(known: Sequence[Migration], applied: Sequence[Applied]) -> tuple[Migration, ...]:
    """What still has to run. Raises OldSchemaError where the database is not one that these files led to."""
    by_version = {m.version: m for m in known}
    for done in applied:
        mine = by_version.get(done.version)
        if mine is None:
            raise OldSchemaError(
                f"the database was made by a newer tiercel (migration {done.version:04} {done.name}); upgrade this installation"
            )
        if mine.sha256 != done.sha256:
            raise OldSchemaError(
                f"migration {done.version:04} {done.name} has another text than when it ran on this database; "
                "restore the file and put the change into a new migration"
            )
    newest = max((a.version for a in applied), default=0)
    return tuple(m for m in known if m.version > newest)


async def migrate(url: str, known: Sequence[Migration] | None = None) -> list[str]:
    """Bring the database up to this code. Returns the names of what ran now; several callers at once are safe."""
    known = migrations() if known is None else known
    try:
        # Migrations may wait for running statements and rewrite tables, so the pool's time limits do not fit.
        async with await AsyncConnection.connect(
            conninfo(url), options="-c statement_timeout=0 -c lock_timeout=60s -c timezone=UTC", autocommit=True
        ) as conn:
            return [f"{m.version:04}_{m.name}" for m in known if await _apply(conn, m, known)]
    except psycopg.OperationalError as e:
        if e.sqlstate is None:
            raise RecordUnavailableError("no Postgres answers at DATABASE_URL; start it, or correct the address") from e
        raise translated(e) from e
    except psycopg.Error as e:
        raise FatalError(f"a migration failed and was rolled back: {e.diag.message_primary or type(e).__name__}") from e


async def check_schema(pool: Pool) -> None:
    """Raise OldSchemaError, with the command that fixes it, unless the database has exactly this code's shape."""
    async with pool.connection() as conn:
        missing = pending(migrations(), await _applied(conn))
    if missing:
        names = ", ".join(f"{m.version:04}_{m.name}" for m in missing)
        raise OldSchemaError(f"the database is older than this code (missing: {names}); {REMEDY}")


async def _apply(conn: AsyncConnection[TupleRow], migration: Migration, known: Sequence[Migration]) -> bool:
    async with conn.transaction():
        # Held until the transaction ends, so that a second caller waits and then sees what the first has done.
        await conn.execute(query("lock_migrations"))
        if migration not in pending(known, await _applied(conn)):
            return False
        await conn.execute(migration.text)
        await conn.execute(
            query("save_migration"), {"version": migration.version, "name": migration.name, "sha256": migration.sha256}
        )
    return True


async def _applied(conn: AsyncConnection[TupleRow]) -> list[Applied]:
    row = await (await conn.execute(query("has_schema"))).fetchone()
    if row is None or row[0] is None:
        return []
    async with conn.cursor(row_factory=class_row(Applied)) as cursor:
        await cursor.execute(query("list_migrations"))
        return await cursor.fetchall()
