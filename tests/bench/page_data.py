"""The record that `./dev bench pages` reads: how it is filled, and how it is kept for the next run.

Every incident has a session, a model call, an action, a notice, three timeline and three audit entries; one of ten an
approval and fifty lines of output, so that a million have five million lines. One log in the middle has 20,000.
"""

import asyncio
import hashlib
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from adapters.database.output_codec import pack, split
from adapters.database.pool import Pool
from domain.session import OutputLine
from tests.bench.figures import show
from tests.support import seed
from tests.support.postgres import TEMPLATE, TestServer

LONG = 20_000  # lines of the long log
YOUNG = timedelta(hours=12)  # the rows lie at times relative to when they were made, and pages ask for "the last day"
_SCHEMA = Path(__file__).parents[2] / "adapters/database/schema.sql"

# One incident a minute, back from an hour ago; the newest five are open. Rare names lie at the far end, where a scan
# from the newest on would come last, and are equally many at every size. Alerts are of postgres only, tier 1 of nginx
# only: frequent words that never meet, where a scan for both would read all of one of them.
FILL = (
    """
    CREATE TEMPORARY TABLE made AS
    SELECT n, %(size)s::integer - n AS oldest, 'inc_bench_' || lpad(n::text, 8, '0') AS id, now() - interval '1 hour' - n * interval '1 minute' AS at,
        (ARRAY['local/blog', 'local/postgres', 'local/redis', 'local/nginx', 'nas/backup'])[1 + n %% 5] AS service,
        CASE WHEN n <= 5 THEN 'open' WHEN n %% 7 = 0 THEN 'self_healed' ELSE 'resolved' END AS state
    FROM generate_series(1, %(size)s::integer) AS n
    """,
    """
    INSERT INTO incident (id, service, affected, trigger, state, tier, summary, alert, workflow_id, run_id, dry_run,
        scripted, opened_at, updated_at, closed_at)
    SELECT id, service, ARRAY[service], CASE WHEN oldest < 20 THEN 'look' WHEN service = 'local/postgres' THEN 'alert' ELSE 'patrol' END, state,
        CASE WHEN oldest BETWEEN 20 AND 39 THEN 3 WHEN service = 'local/nginx' THEN 1 ELSE 2 END, 'no answer within 5 s; restarted and verified', '{}',
        'escalation/' || service, 'run', false, false, at, at, CASE WHEN state = 'open' THEN NULL ELSE at + interval '5 minutes' END
    FROM made
    """,
    """
    INSERT INTO session (id, attempt, incident, workflow_id, tier, model, engine, isolated, scripted, status, report,
        input_tokens, output_tokens, cost_usd, lines, started_at, ended_at)
    SELECT 'ses' || id, 1, id, 'escalation/' || service, 2, 'claude-sonnet-5-5', 'process', true, false, 'completed',
        '{"summary": "restarted"}', 9000, 400, 0.02, 200, at, at + interval '1 minute'
    FROM made
    """,
    """
    INSERT INTO model_call (id, session, incident, at, model, status, input_tokens, output_tokens, cost_usd, scripted)
    SELECT 'call' || id, 'ses' || id, id, at, 'claude-sonnet-5-5', 200, 9000, 400, 0.02, false FROM made
    """,
    """
    INSERT INTO cost_slot (slot, tier, service, trigger, scripted, calls, tokens, cost_usd)
    SELECT date_bin('30 minutes', at, '2000-01-01 00:00+00'), 2, service, 'patrol', false, count(*), 9400 * count(*), 0.02 * count(*)
    FROM made GROUP BY 1, service ON CONFLICT (slot, tier, service, trigger, scripted) DO NOTHING
    """,
    "DELETE FROM cost_day",
    """
    INSERT INTO cost_day (day, tier, service, trigger, scripted, calls, tokens, cost_usd)
    SELECT slot::date, tier, service, trigger, scripted, sum(calls), sum(tokens), sum(cost_usd) FROM cost_slot GROUP BY 1, 2, 3, 4, 5
    """,
    """
    INSERT INTO session_cost (session, incident, tier, service, day, calls, tokens, cost_usd)
    SELECT 'ses' || id, id, 2, service, (at AT TIME ZONE 'UTC')::date, 1, 9400, 0.02 FROM made
    """,
    """
    INSERT INTO action (id, incident, session, tier, kind, target, digest, state, message, body, requested_at, finished_at)
    SELECT 'act_' || id, id, 'ses' || id, 2, 'restart', service, 'd', CASE WHEN n %% 50 = 1 THEN 'refused' ELSE 'done' END, 'restarted',
        (SELECT body FROM action WHERE id = %(action)s) || jsonb_build_object('id', 'act_' || id, 'incident', id),
        at, at + interval '2 seconds'
    FROM made
    """,
    """
    INSERT INTO approval (id, incident, workflow_id, action, digest, state, body, requested_at, expires_at, decided_at, decided_by)
    SELECT 'apr_' || id, id, 'escalation/' || service, 'act_' || id, 'd', CASE WHEN oldest < 200 THEN 'denied' ELSE 'approved' END,
        (SELECT body FROM approval LIMIT 1) || jsonb_build_object('id', 'apr_' || id, 'incident', id,
            'state', CASE WHEN oldest < 200 THEN 'denied' ELSE 'approved' END, 'requested_at', at, 'decided_at', at),
        at, at + interval '1 day', at, 'ada'
    FROM made WHERE n % 10 = 0
    """,
    # As many in the last week at every size: the page of cooldowns shows them all.
    """
    INSERT INTO permit (id, service, kind, cooldown_class, state, granted_at, expires_at)
    SELECT 'per_' || id, service, 'restart', 'restart', 'confirmed', at, at + interval '5 minutes'
    FROM made WHERE n % 26 = 0 AND (n <= 1000 OR n > 12000)
    """,
    """
    INSERT INTO ledger_note (service, kind, until, reason, actor, at)
    SELECT service, 'snooze', at + interval '30 minutes', 'the disk is being replaced', 'ada', at FROM made WHERE n % 101 = 0
    """,
    """
    INSERT INTO timeline (key, incident, at, kind, tier, text, service)
    SELECT id || '/' || k, id, at + k * interval '1 minute', 'action', 2, 'restarted', service FROM made, generate_series(0, 2) AS k
    """,
    """
    INSERT INTO timeline (key, incident, at, kind, tier, text, service)
    SELECT id || '/n', id, at, 'needs_person', 2, 'no tier could repair it', service FROM made WHERE oldest < 20
    """,
    # As many as there may be, at every size.
    """
    INSERT INTO memory (id, service, category, text, same, confidence, session, incident, created_at, seen_at)
    SELECT 'mem_bench_' || lpad(k::text, 5, '0'), CASE WHEN k % 61 = 0 THEN '' ELSE 'far/s' || k % 61 END,
        (ARRAY['timing', 'dependency', 'behaviour', 'remedy', 'place'])[k % 5 + 1],
        'The ' || k || 'th thing that was worth keeping, in a sentence of the usual length.', 'thing ' || k, 0.3 + 0.07 * (k % 10),
        'ses' || made.id, made.id, made.at, now() - k * interval '20 minutes'
    FROM generate_series(1, 1990) AS k JOIN made ON made.n = k % 1000 + 1
    """,
    """
    INSERT INTO patrol (id, started_at, ended_at, services, failing, opened, problems)
    SELECT 'patrol' || n, at, at + interval '9 seconds', 60, 1, 0, 0 FROM made
    """,
    """
    INSERT INTO service (id, node, name, kind, spec, repository, present, first_seen, last_seen)
    SELECT 'far/s' || n, 'far', 's' || n, kind, spec || jsonb_build_object('id', 'far/s' || n, 'node', 'far', 'name', 's' || n),
        repository, true, first_seen, last_seen
    FROM service, generate_series(1, 60) AS n WHERE id = 'local/blog'
    """,
    """
    INSERT INTO probe_result (service, probe, kind, status, at, latency_ms, summary)
    SELECT s.id, 'http', 'http', CASE WHEN k % 97 = 0 THEN 'fail' ELSE 'ok' END, now() - k * interval '15 minutes', 10 + k % 90, '200'
    FROM service AS s, generate_series(1, 672) AS k WHERE s.node = 'far'
    """,
    """
    INSERT INTO probe_slot (service, slot, ok, fail, failures, down_s)
    SELECT s.id, date_bin('30 minutes', now(), '2000-01-01 00:00+00') - k * interval '30 minutes', 2, CASE WHEN k % 97 = 0 THEN 1 ELSE 0 END,
        CASE WHEN k % 97 = 0 THEN 1 ELSE 0 END, CASE WHEN k % 97 = 0 THEN 900 ELSE 0 END
    FROM service AS s, generate_series(0, 4320) AS k WHERE s.node = 'far'
    """,
    """
    INSERT INTO probe_half_day (service, slot, ok, fail, failures, down_s)
    SELECT service, date_bin('12 hours', slot, '2000-01-01 00:00+00'), sum(ok), sum(fail), sum(failures), sum(down_s)
    FROM probe_slot WHERE service LIKE 'far/%' GROUP BY 1, 2
    """,
    """
    INSERT INTO audit (key, at, actor_kind, actor, action, target)
    SELECT id || '/' || k, at, CASE WHEN k = 0 THEN 'system' ELSE 'session' END,
        CASE WHEN k = 0 THEN 'patrol' WHEN oldest BETWEEN 0 AND 19 THEN 'rare' ELSE 'ses' || n % 50 END,
        (ARRAY['patrol.started', 'action.asked', 'action.answered'])[k + 1],
        CASE WHEN oldest BETWEEN 20 AND 39 THEN 'local/rare' ELSE service END
    FROM made, generate_series(0, 2) AS k
    """,
    """
    INSERT INTO notice (key, channel, incident, kind, title, body, delivered, at, service)
    SELECT 'notice' || id, 'ntfy', id, 'remediated', service || ' is healthy again', 'restarted and verified', n % 50 <> 0, at, service FROM made
    """,
    """
    INSERT INTO session_output (session, attempt, first_seq, n, at, codec, body)
    SELECT 'ses' || id, 1, 1, 50, at, 1, %(chunk)s FROM made WHERE n %% 10 = 0 AND n <> %(size)s::integer / 2
    """,
)


def a_log(first: int, count: int) -> list[OutputLine]:
    """Lines as the CLI writes them, one of a thousand a failure."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    texts = ("reading the worker's log", "the pool has 12 of 20 connections", "GET /health 200 in 12 ms")
    found: list[OutputLine] = []
    for seq in range(first, first + count):
        text = "connection refused" if seq % 1000 == 0 else f"{texts[seq % 3]}, step {seq}"
        event = {"type": "assistant", "message": {"content": [{"type": "text", "text": text}]}}
        found.append(OutputLine(seq=seq, at=at, text=json.dumps(event)))
    return found


def fill_long_log(conn: psycopg.Connection, session: str) -> None:
    """The log that pages of a log are measured on."""
    columns = "session, attempt, first_seq, n, at, codec, body"
    with conn.cursor() as cursor, cursor.copy(f"COPY session_output ({columns}) FROM STDIN (FORMAT BINARY)") as rows:
        rows.set_types(["text", "int4", "int8", "int4", "timestamptz", "int2", "bytea"])
        for lines in split(a_log(1, LONG)):
            chunk = pack(lines)
            rows.write_row((session, 1, chunk.first_seq, chunk.n, chunk.at, chunk.codec, chunk.body))


def fill(url: str, size: int) -> None:
    """Rows by the server itself, with statistics as autovacuum would have made them."""
    chunk = pack(a_log(1, 50)).body
    with psycopg.connect(url, autocommit=True, options="-c statement_timeout=0") as conn:
        action = conn.execute("SELECT id FROM action ORDER BY requested_at DESC LIMIT 1").fetchone()
        assert action is not None
        for statement in FILL:
            params = {"size": size, "action": action[0], "chunk": chunk} if "%(" in statement else None
            conn.execute(statement.encode(), params)
        fill_long_log(conn, f"sesinc_bench_{size // 2:08}")
        conn.execute("VACUUM ANALYZE")


def _mark() -> str:
    """What a kept record was made by: another schema or another way to fill it makes it worthless."""
    return hashlib.sha256(Path(__file__).read_bytes() + _SCHEMA.read_bytes()).hexdigest()[:16]


def kept(server: TestServer, size: int) -> str | None:
    """The address of a record that an earlier run has left, where it is still good."""
    with psycopg.connect(server.url(), autocommit=True) as conn:
        found = conn.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [f"bench_{size}"]
        ).fetchone()
    mark, _, made = (found[0] if found and found[0] else "").partition(" ")
    good = mark == _mark() and datetime.now(UTC) - datetime.fromisoformat(made) < YOUNG
    return server.url(f"bench_{size}") if good else None


def filled(server: TestServer, size: int) -> str:
    """A record of this size: a kept one, or one that is filled now."""
    if url := kept(server, size):
        show(f"{size:,} incidents with their rows, kept from an earlier run", "")
        return url
    began = time.perf_counter()
    server.drop(server.url(f"bench_{size}"))
    url = server.create(TEMPLATE, f"bench_{size}")
    asyncio.run(_seeded(url))
    fill(url, size)
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(f"COMMENT ON DATABASE bench_{size} IS '{_mark()} {datetime.now(UTC).isoformat()}'".encode())
    show(f"{size:,} incidents with their rows, filled in", f"{time.perf_counter() - began:.1f} s")
    return url


async def _seeded(url: str) -> None:
    async with Pool(url) as pool:
        await seed.busy(pool, datetime.now(UTC))
