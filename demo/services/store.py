"""The shop's database: tables, and the few statements that web and worker share."""

from typing import Any, LiteralString

import psycopg

CONNECT_S = 2  # libpq's own smallest; a database that is stopped accepts and stays silent
_OPTIONS = "-c statement_timeout=1500 -c lock_timeout=700"

SCHEMA: LiteralString = """
CREATE TABLE IF NOT EXISTS orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    item text NOT NULL,
    placed_at timestamptz NOT NULL DEFAULT now(),
    shipped_at timestamptz
);
CREATE TABLE IF NOT EXISTS web_visits (id int PRIMARY KEY, visits bigint NOT NULL);
CREATE TABLE IF NOT EXISTS worker_beats (id int PRIMARY KEY, beats bigint NOT NULL, at timestamptz NOT NULL);
INSERT INTO orders (item) SELECT 'first order' WHERE NOT EXISTS (SELECT 1 FROM orders);
"""
VISIT: LiteralString = """
INSERT INTO web_visits VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET visits = web_visits.visits + 1 RETURNING visits
"""
BEAT: LiteralString = """
INSERT INTO worker_beats VALUES (1, 1, now())
ON CONFLICT (id) DO UPDATE SET beats = worker_beats.beats + 1, at = now() RETURNING beats
"""
SHIP: LiteralString = """
UPDATE orders SET shipped_at = now() WHERE id IN (
    SELECT id FROM orders WHERE shipped_at IS NULL ORDER BY id LIMIT 10 FOR UPDATE SKIP LOCKED
)
"""
NEWEST: LiteralString = "SELECT id, item, placed_at, shipped_at FROM orders ORDER BY id DESC LIMIT %s"
ORDER: LiteralString = "INSERT INTO orders (item) VALUES (%s) RETURNING id"
CLUSTER: LiteralString = "SELECT system_identifier::text FROM pg_control_system()"


def connect(url: str, name: str) -> psycopg.Connection[Any]:
    """A connection that gives up soon. Raises psycopg.OperationalError."""
    return psycopg.connect(url, connect_timeout=CONNECT_S, options=_OPTIONS, application_name=name, autocommit=True)


def reason(e: psycopg.Error) -> str:
    """One line for a log or a health answer."""
    return " ".join(str(e).split())[:200] or type(e).__name__
