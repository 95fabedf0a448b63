"""postgres: one query, the share of used connections, and the cluster's identity."""

import psycopg
from psycopg import sql

from adapters.probes.addresses import BlockedAddressError, UnresolvedError
from adapters.probes.outcome import Outcome, error, fail, ok, one_line, warn
from adapters.probes.tools import Tools, password_for
from domain.health import PostgresProbe

_QUERY = sql.SQL(
    """
    SELECT current_setting('max_connections')::int,
           (SELECT coalesce(sum(numbackends), 0)::int FROM pg_stat_database),
           pg_is_in_recovery(),
           current_setting('server_version')
    """
)
_IDENTITY = sql.SQL("SELECT system_identifier::text FROM pg_control_system()")


async def run(spec: PostgresProbe, tools: Tools) -> Outcome:
    """FAIL where the server does not answer, refuses, or is another cluster than declared."""
    where = f"{spec.user}@{spec.host}:{spec.port}/{spec.database}"
    password = password_for(spec.password_env, spec.host, tools.environ)
    if isinstance(password, Outcome):
        return password
    try:
        address = spec.host if spec.host.startswith("/") else (await tools.addresses.resolve(spec.host))[0]
    except BlockedAddressError as e:
        return error(f"{one_line(str(e))}; remove this probe")
    except UnresolvedError as e:
        return fail(one_line(str(e)))
    try:
        async with await psycopg.AsyncConnection.connect(
            host=address,
            port=spec.port,
            dbname=spec.database,
            user=spec.user,
            password=password,  # never None: libpq would then take PGPASSWORD, which is not for a repository's hosts
            application_name="tiercel-probe",
            connect_timeout=max(2, int(spec.timeout_s) + 1),
            passfile="/nonexistent",
            autocommit=True,
        ) as connection:
            row = await (await connection.execute(_QUERY)).fetchone()
            identity = await _identity(connection)
    except psycopg.OperationalError as e:
        return _refused(where, e)
    except psycopg.Error as e:
        return fail(f"the query fails: {one_line(str(e), 140)}", f"{where}\n{e}")
    if row is None:
        return fail("the query gave nothing", where)
    return _judge(spec, where, (int(row[0]), int(row[1]), bool(row[2]), str(row[3])), identity)


async def _identity(connection: psycopg.AsyncConnection[tuple[object, ...]]) -> str:
    try:
        row = await (await connection.execute(_IDENTITY)).fetchone()
    except psycopg.Error:
        return ""  # not every role may ask; without a declared identity that is no fault
    return str(row[0]) if row else ""


def _refused(where: str, e: psycopg.OperationalError) -> Outcome:
    words = str(e)
    if "too many clients" in words or "remaining connection slots" in words:
        return fail("all connections are in use", f"{where}\n{words}")
    if "starting up" in words or "recovery" in words:
        return fail("the server is still starting", f"{where}\n{words}")
    return fail(f"no session: {one_line(words, 140)}", f"{where}\n{words}")


def _judge(spec: PostgresProbe, where: str, seen: tuple[int, int, bool, str], identity: str) -> Outcome:
    allowed, used, standby, version = seen
    evidence = f"{where}\nserver {version}, standby {standby}, cluster {identity or 'unknown'}\nconnections {used} of {allowed}"
    if spec.identity and identity != spec.identity:
        return fail(
            f"another database cluster answers ({identity or 'unknown'}, not {spec.identity})", evidence, identity
        )
    if used > allowed * spec.max_connections_share:
        return warn(f"{used} of {allowed} connections are in use", evidence, identity)
    return ok(f"answers, {used} of {allowed} connections in use", evidence, identity)
