"""sql_read on a real Postgres: what a reading role may see, and that nothing else happens, whatever is asked."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from domain.health import PostgresProbe
from domain.inventory import Service
from tests.support.looking import SECRET, declaring, looking_room, looks, use
from tests.support.postgres import TestServer

pytestmark = pytest.mark.postgres

ROLES = """
CREATE ROLE look_reader LOGIN;
CREATE ROLE look_writer LOGIN;
CREATE ROLE look_files LOGIN IN ROLE pg_read_server_files;
CREATE ROLE look_programs LOGIN IN ROLE pg_execute_server_program;
CREATE ROLE look_boss LOGIN SUPERUSER;
CREATE ROLE look_heir LOGIN IN ROLE look_boss;
"""
TABLES = f"""
CREATE TABLE orders (id int, customer text, password text, note text);
INSERT INTO orders SELECT n, 'c' || n, 'pw-secret-' || n, '{SECRET}' FROM generate_series(1, 300) n;
CREATE TABLE hidden (x int);
CREATE SEQUENCE counter;
GRANT SELECT ON orders TO look_reader, look_writer, look_files, look_programs, look_heir;
GRANT USAGE ON SEQUENCE counter TO look_reader;
GRANT INSERT ON orders TO look_writer;
CREATE FUNCTION sneaky() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'INSERT INTO hidden VALUES (1) RETURNING x';
"""


@dataclass
class Database:
    url: str

    def service(self, read_user: str = "look_reader", **more: Any) -> Service:
        parts = conninfo_to_dict(self.url)
        where = {"host": str(parts["host"]), "database": str(parts["dbname"])}
        return declaring(PostgresProbe(**where, read_user=read_user, **more))  # pyright: ignore[reportArgumentType]

    def count(self) -> tuple[Any, ...]:
        with psycopg.connect(self.url) as connection:
            row = connection.execute(
                "SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM hidden), (SELECT last_value FROM counter),"
                " (SELECT count(*) FROM pg_class), (SELECT count(*) FROM pg_roles), (SELECT count(*) FROM pg_largeobject_metadata)"
            ).fetchone()
        assert row is not None
        return row


@pytest.fixture(scope="module", name="database")
def _database(postgres_server: TestServer) -> Iterator[Database]:
    url = postgres_server.create()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(ROLES)
        connection.execute(TABLES.encode())
    yield Database(url)
    postgres_server.drop(url)
    with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
        connection.execute(b"DROP ROLE look_heir, look_reader, look_writer, look_files, look_programs, look_boss")


async def test_rows_come_bounded_and_without_secrets(tmp_path: Path, database: Database):
    async with looking_room(tmp_path, database.service()) as room:
        question = "SELECT * FROM orders ORDER BY id -- all of them"
        fault, text = await use(room, "sql_read", {"service": "local/shop", "query": question, "rows": 5})
        assert not fault, text
        assert '"customer": "c5"' in text
        assert "c6" not in text
        assert "more rows" in text
        assert SECRET not in text
        assert "pw-secret" not in text, "a column of that name is masked"
        fault, text = await use(
            room, "sql_read", {"service": "local/shop", "query": "SELECT repeat('x', 5000000) AS big"}
        )
        assert not fault
        assert len(text) < 3_000
        await room.written()
        assert ("looked", "sql_read", f"local/shop {question}") in looks(room)
    async with looking_room(tmp_path, database.service()) as room:
        fault, text = await use(room, "sql_read", {"service": "local/shop", "query": "SELECT 1"}, tier=1)
    assert fault
    assert "from tier 2 on" in text


TRIES = (
    "DELETE FROM orders", "SELECT 1; DELETE FROM orders", "SELECT 1) AS x; DELETE FROM orders; SELECT (1", "COMMIT; DELETE FROM orders",
    "SELECT 1) AS found UNION ALL SELECT 'x' FROM (SELECT 1", "WITH d AS (DELETE FROM orders RETURNING id) SELECT * FROM d",
    "SELECT * INTO stolen FROM orders", "CREATE TABLE t (x int)", "COPY orders TO PROGRAM 'touch /tmp/tiercel-look-copied'",
    "COPY (SELECT 1) TO '/tmp/tiercel-look-copied'", "SET ROLE look_boss", "RESET ROLE", "SET TRANSACTION READ WRITE",
    "SELECT set_config('role', 'look_boss', false)", "SELECT set_config('transaction_read_only', 'off', true)",
    "SELECT set_config('session_authorization', 'look_boss', false)", "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_read_binary_file('/etc/passwd')", "SELECT pg_ls_dir('/')", "SELECT lo_import('/etc/passwd')", "SELECT lo_creat(-1)",
    "SELECT * FROM dblink('host=/tmp', 'select 1') AS t(x int)", "DO $$ BEGIN DELETE FROM orders; END $$", "CALL x()",
    "SELECT nextval('counter')", "SELECT setval('counter', 99)", "SELECT sneaky()", "SELECT * FROM hidden", "SELECT * FROM pg_authid",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'", "SELECT pg_reload_conf()",
    "SELECT * FROM orders FOR UPDATE", "EXPLAIN ANALYZE DELETE FROM orders", "LOCK TABLE orders", "LISTEN x", "VACUUM", "SELECT 1 /*",
    "SELECT 'x", "SELECT $$x", "", "   ", "SELECT\0 1", "PREPARE p AS DELETE FROM orders", "DECLARE c CURSOR FOR SELECT 1", "\\! id",
    "SELECT pg_catalog.pg_read_file('/etc/passwd', 0, 100)", "SELECT query_to_xml('DELETE FROM orders', true, false, '')",
)  # fmt: skip


async def test_whatever_is_asked_nothing_is_changed_and_nothing_leaves(tmp_path: Path, database: Database):
    before = database.count()
    async with looking_room(tmp_path, database.service()) as room:
        door = await room.open(tier=3)
        for query in TRIES:
            fault, text = await use(room, "sql_read", {"service": "local/shop", "query": query}, door=door)
            # These two have no effect here: nobody's connection to end, and what was made is rolled back.
            assert fault or "pg_terminate" in query or "lo_creat" in query, (query, text)
            assert "root:" not in text, query
            assert database.count() == before, query
        assert not Path("/tmp/tiercel-look-copied").exists()
        assert (await use(room, "sql_read", {"service": "local/shop", "query": "SELECT 1 AS one"}, door=door))[
            0
        ] is False


@pytest.mark.parametrize(
    ("role", "why"),
    [
        ("look_boss", "superuser"), ("look_heir", "superuser"), ("look_writer", "may write to public.orders"),
        ("look_files", "pg_read_server_files"), ("look_programs", "pg_execute_server_program"),
    ],
)  # fmt: skip
async def test_a_role_that_can_do_more_than_read_is_refused(tmp_path: Path, database: Database, role: str, why: str):
    async with looking_room(tmp_path, database.service(role)) as room:
        fault, text = await use(room, "sql_read", {"service": "local/shop", "query": "SELECT 1"})
    assert fault
    assert why in text


async def test_a_question_that_takes_long_is_ended_by_the_server(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("gateway.looking.sql._STATEMENT_MS", 100)
    async with looking_room(tmp_path, database.service()) as room:
        fault, text = await use(room, "sql_read", {"service": "local/shop", "query": "SELECT pg_sleep(60)"})
        unbound = "SELECT pg_sleep(60), set_config('statement_timeout', '0', false)"
        again = await use(room, "sql_read", {"service": "local/shop", "query": unbound})
    assert fault
    assert again[0]
    assert "statement timeout" in text


async def test_a_service_without_a_reading_role_says_how_to_declare_one_and_no_password_goes_elsewhere(
    tmp_path: Path, database: Database
):
    no_role = database.service("")
    stolen = declaring(PostgresProbe(host="db.evil.example", read_user="x", read_password_env="TIERCEL_PROBE_DB"))
    environ = {"TIERCEL_PROBE_DB": "pw-of-the-owner", "ANTHROPIC_API_KEY": SECRET}
    async with looking_room(tmp_path, no_role) as room:
        assert "read_user" in (await use(room, "sql_read", {"service": "local/shop", "query": "SELECT 1"}))[1]
        assert (await use(room, "sql_read", {"service": "local/nobody", "query": "SELECT 1"}))[0]
    async with looking_room(tmp_path, stolen, environ=environ) as room:
        fault, text = await use(room, "sql_read", {"service": "local/shop", "query": "SELECT 1"})
    assert fault
    assert "TIERCEL_PROBE_DB may not be sent to db.evil.example" in text
    assert "pw-of-the-owner" not in text
