"""The pool of connections, the queries by name, and the translation of database faults into ours."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from importlib.resources import files
from typing import Self, TypeVar, cast

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import AsyncRowFactory, TupleRow, class_row, scalar_row, tuple_row
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from adapters.database.text import clean
from domain.errors import FatalError, OldSchemaError, RecordUnavailableError, TiercelError

T = TypeVar("T")
Params = Mapping[str, object]
Connection = AsyncConnection[TupleRow]

CHANGED = "tiercel_changed"  # payload: a topic, see `Pool.write`
OUTPUT = "session_output"  # payload: "<session>:<attempt>:<last seq>"

# A page or a heartbeat waits for these, so each is far below a person's patience and Temporal's heartbeat timeout.
CONNECT_TIMEOUT_S = 5
CHECKOUT_TIMEOUT_S = 5.0
SERVER_OPTIONS = (
    "-c statement_timeout=20s -c lock_timeout=10s -c idle_in_transaction_session_timeout=30s -c timezone=UTC -c jit=off"
)
KEEPALIVES = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
PAUSES_S = (0.05, 0.25, 1.0)  # between attempts after a lost connection


@cache
def query(name: str) -> bytes:
    """The text of queries/<name>.sql."""
    return files("adapters.database").joinpath("queries", f"{name}.sql").read_bytes()


def conninfo(url: str) -> str:
    """`url` with our time limits. What the owner wrote into the address wins."""
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError as e:
        raise FatalError("DATABASE_URL cannot be read; write postgresql://user:password@host:5432/database") from e
    options = f"{SERVER_OPTIONS} {given.get('options') or ''}".strip()
    defaults = {"connect_timeout": CONNECT_TIMEOUT_S, "application_name": "tiercel", **KEEPALIVES}
    return make_conninfo(url, **{name: value for name, value in defaults.items() if name not in given}, options=options)


def translated(error: psycopg.Error) -> TiercelError:
    """Our fault for one of the database's. Its text never holds the address or the parameters."""
    what = error.diag.message_primary or type(error).__name__
    match error:
        case psycopg.errors.UndefinedTable() | psycopg.errors.UndefinedColumn():
            return OldSchemaError(
                f"the record has another shape than this code needs ({what}); run `tiercel db migrate`"
            )
        case psycopg.OperationalError() | psycopg.InterfaceError():
            return RecordUnavailableError(f"the record (Postgres) cannot be used now: {what}")
        case _:
            return FatalError(f"the record refused this: {what}")


def _worth_repeating(cause: BaseException | None) -> bool:
    """Whether a connection broke or lost a race. A server that is away has already been waited for."""
    if not isinstance(cause, psycopg.Error) or isinstance(cause, PoolTimeout | PoolClosed):
        return False
    return cause.sqlstate is None or cause.sqlstate.startswith(("08", "40", "57P"))


class Pool:
    """Connections to the record. `open` before use, `close` after; or `async with Pool(url) as pool`."""

    def __init__(self, url: str, *, max_size: int = 8) -> None:
        self.url = url
        self._pool = AsyncConnectionPool(
            conninfo(url),
            min_size=1,
            max_size=max_size,
            timeout=CHECKOUT_TIMEOUT_S,
            max_idle=300,
            # Its pauses double up to this time; after it, the next caller tries at once. A long value would keep us
            # away for half a minute after a server that is back.
            reconnect_timeout=3,
            open=False,
            name="record",
        )

    async def open(self, timeout_s: float = CHECKOUT_TIMEOUT_S) -> None:
        """Connect. Raises RecordUnavailableError where no server answers in time."""
        try:
            await self._pool.open(wait=True, timeout=timeout_s)
        except (psycopg.Error, PoolTimeout) as e:
            await self._pool.close()
            raise RecordUnavailableError("no Postgres answers at DATABASE_URL; start it, or correct the address") from e

    async def close(self) -> None:
        """Give all connections back."""
        await self._pool.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """One connection in one transaction. Raises domain errors only."""
        try:
            async with self._pool.connection() as conn:
                yield conn
        except psycopg.Error as e:
            raise translated(e) from e

    async def run(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """`work` in one transaction, again after a lost connection.

        So `work` must be repeatable: the first try may have been committed although its answer never came.
        """
        for pause in PAUSES_S:
            try:
                async with self.connection() as conn:
                    return await work(conn)
            except RecordUnavailableError as e:
                if not _worth_repeating(e.__cause__):
                    raise
                await asyncio.sleep(pause)
                # What killed one connection has mostly killed all: replace them now, not one failure after another.
                # (The pool's own check at every checkout waits a second after the second dead connection.)
                await self._pool.check()
        async with self.connection() as conn:
            return await work(conn)

    async def write(self, name: str, params: Params, *topics: str) -> int:
        """One statement; where it changed a row, the topics are told to listeners. Returns the rows changed.

        Topics: `incident:<id>`, `session:<id>`, `approval`, `action`, `ledger`, `health`, `inventory`, `notice`,
        `memory`.
        """

        async def work(conn: Connection) -> int:
            changed = await execute(conn, name, params)
            if changed:
                await tell(conn, *topics)
            return changed

        return await self.run(work)

    async def rows(self, name: str, params: Params | None = None) -> list[TupleRow]:
        """All rows as tuples."""
        return await self._fetch(name, params, tuple_row)

    async def chosen(self, name: str, kind: type[T], params: Params) -> list[T]:
        """As `values`, planned for exactly these parameters.

        For lists with optional filters: a plan that is kept for all of them would walk the whole list for a rare one.
        """
        return await self._fetch(name, params, class_row(kind), prepare=False)

    async def values(self, name: str, kind: type[T], params: Params | None = None) -> list[T]:
        """All rows as values of `kind`, whose fields are the columns."""
        return await self._fetch(name, params, class_row(kind))

    async def scalars(self, name: str, params: Params | None = None) -> list[object]:
        """The first column of all rows."""
        return await self._fetch(name, params, scalar_row)

    async def chosen_scalars(self, name: str, params: Params) -> list[object]:
        """As `scalars`, planned for exactly these parameters."""
        return await self._fetch(name, params, scalar_row, prepare=False)

    async def _fetch(
        self, name: str, params: Params | None, factory: AsyncRowFactory[T], *, prepare: bool | None = None
    ) -> list[T]:
        async def work(conn: Connection) -> list[T]:
            async with conn.cursor(row_factory=factory) as cursor:
                await cursor.execute(query(name), _storable(params), prepare=prepare)
                return await cursor.fetchall()

        return await self.run(work)


async def execute(conn: Connection, name: str, params: Params | None = None) -> int:
    """One statement by name inside a transaction of `run`. Returns the rows changed."""
    return (await conn.execute(query(name), _storable(params))).rowcount


async def tell(conn: Connection, *topics: str) -> None:
    """Announce topics on CHANGED when the transaction commits. One NOTIFY per topic, never from row triggers."""
    for topic in topics:
        await execute(conn, "notify", {"channel": CHANGED, "payload": topic})


def _storable(params: Params | None) -> Params | None:
    """Every text made storable at this one place, so that no caller can forget it."""
    return {name: _text(value) for name, value in params.items()} if params else None


def _text(value: object) -> object:
    match value:
        case str():
            return clean(str(value))  # `str` first: an enum of ours is its value, not its name
        case list() | tuple():
            return [_text(item) for item in cast("Sequence[object]", value)]
        case _:
            return value


def first(rows: Sequence[T]) -> T | None:
    """The only row, or None."""
    return rows[0] if rows else None
