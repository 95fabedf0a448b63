"""What a page costs over HTTP when the record is full: 1,000 and 100,000 incidents with sessions; `--large` a million.

Every incident has a session, a model call, an action, a notice, three timeline and three audit entries; one of ten an
approval and fifty lines of output, so that a million have five million lines. One log in the middle has 20,000.
Goal: any page under 50 ms at the 95th percentile, and under 1.5 times its own time at the smallest size. Downloads and
a search through the whole long log are shown beside it: what they read is the same at every size.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import psycopg

from adapters.database.migrate import migrate
from adapters.database.output_codec import pack, split
from adapters.database.pool import Pool
from domain.session import OutputLine
from tests.bench.figures import percentile, show
from tests.support import seed
from tests.support.browser import dashboard, settings_for
from tests.support.postgres import TEMPLATE, TestServer

SIZES = (1_000, 100_000)
LARGE = 1_000_000
LONG = 20_000  # lines of the long log
WARM_UP, REQUESTS = 5, 40
NOWHERE = "127.0.0.1:1"  # no engine: only the record is measured

# One incident a minute, back from an hour ago; the newest five are open. Rare names lie at the far end, where a scan
# from the newest on would come last, and are equally many at every size.
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
    SELECT id, service, ARRAY[service], CASE WHEN oldest < 20 THEN 'look' ELSE 'patrol' END, state, CASE WHEN oldest BETWEEN 20 AND 39 THEN 3 ELSE 2 END, 'no answer within 5 s; restarted and verified', '{}',
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
    """
    INSERT INTO session_cost (session, incident, tier, service, day, calls, tokens, cost_usd)
    SELECT 'ses' || id, id, 2, service, (at AT TIME ZONE 'UTC')::date, 1, 9400, 0.02 FROM made
    """,
    """
    INSERT INTO action (id, incident, session, tier, kind, target, digest, state, message, body, requested_at, finished_at)
    SELECT 'act_' || id, id, 'ses' || id, 2, 'restart', service, 'd', 'done', 'restarted',
        (SELECT body FROM action WHERE id = %(action)s) || jsonb_build_object('id', 'act_' || id, 'incident', id),
        at, at + interval '2 seconds'
    FROM made
    """,
    """
    INSERT INTO approval (id, incident, workflow_id, action, digest, state, body, requested_at, expires_at, decided_at, decided_by)
    SELECT 'apr_' || id, id, 'escalation/' || service, 'act_' || id, 'd', 'approved',
        (SELECT body FROM approval LIMIT 1) || jsonb_build_object('id', 'apr_' || id, 'incident', id, 'state', 'approved',
            'requested_at', at, 'decided_at', at),
        at, at + interval '1 day', at, 'ada'
    FROM made WHERE n % 10 = 0
    """,
    """
    INSERT INTO timeline (key, incident, at, kind, tier, text)
    SELECT id || '/' || k, id, at + k * interval '1 minute', 'action', 2, 'restarted' FROM made, generate_series(0, 2) AS k
    """,
    """
    INSERT INTO timeline (key, incident, at, kind, tier, text)
    SELECT id || '/n', id, at, 'needs_person', 2, 'no tier could repair it' FROM made WHERE oldest < 20
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
    SELECT id || '/' || k, at, 'session', CASE WHEN oldest BETWEEN 0 AND 19 THEN 'rare' ELSE 'ses' || n % 50 END, 'action.asked',
        CASE WHEN oldest BETWEEN 20 AND 39 THEN 'local/rare' ELSE service END
    FROM made, generate_series(0, 2) AS k
    """,
    """
    INSERT INTO notice (key, channel, incident, kind, title, body, delivered, at)
    SELECT 'notice' || id, 'ntfy', id, 'remediated', service || ' is healthy again', 'restarted and verified', n % 50 <> 0, at FROM made
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


def log_paths(size: int) -> dict[str, str]:
    """The long log: its page, a linked line, and parts of it."""
    incident, log = f"/incidents/inc_bench_{size // 2:08}", f"sesinc_bench_{size // 2:08}"
    return {
        "log, its newest lines": incident,
        "log, a linked line": f"{incident}?log={log}:1&line=10000",
        "log, earlier lines": f"/sessions/{log}/1/lines?before=10000",
        "log, one kind": f"{incident}?log={log}:1&kind=say",
    }


def whole_log_paths(size: int) -> dict[str, str]:
    """What reads a whole log."""
    log = f"sesinc_bench_{size // 2:08}"
    return {
        f"log, {LONG:,} lines as text": f"/sessions/{log}/1.txt",
        "log, a rare text": f"/sessions/{log}/1/lines?find=refused&before=20000",
    }


def filter_paths(after: str) -> dict[str, str]:
    """Runs, events and services by what they are filtered by, rare and common."""
    return {
        "runs": "/runs",
        "runs, waiting": "/runs?status=waiting",
        "runs, rare trigger": "/runs?trigger=look",
        "runs, rare tier": "/runs?tier=3",
        "runs, rare tier of one service": "/runs?tier=3&service=nas/backup",
        "runs, one node": "/runs?node=nas",
        "runs, no node": "/runs?node=none",
        "runs, the last day": "/runs?since=24h",
        "runs, from the middle": f"/runs?after={after}inc",
        "runs as JSON": "/runs.json",
        "events": "/events",
        "events, every kind": "/events?kind=incident&kind=session&kind=action&kind=approval&kind=notice&kind=note&kind=patrol&kind=probe",
        "events, patrols": "/events?kind=patrol",
        "events, from the middle": f"/events?after={after}timeline:",
        "services, failing": "/services?state=failing",
        "services, unstable": "/services?state=unstable",
        "services, 7 days": "/services?bars=7d",
        "services, 30 days": "/services?bars=30d",
        "services, 90 days": "/services?bars=90d",
        "services, by words": "/services?q=far&node=far",
        "services as JSON": "/services.json",
        "one service, 90 days": "/services/far/s7?bars=90d",
        "cooldowns as JSON": "/cooldowns.json",
        "audit, one action": "/audit?action=ledger.snooze",
        "audit, one kind of actor": "/audit?actor_kind=cli",
        "audit, kind and action": "/audit?actor_kind=session&action=action.refused",
        "audit, the last hour": "/audit?since=1h",
        "audit as JSON": "/audit.json",
    }


def paths(size: int, middle: datetime) -> dict[str, str]:
    """Every list page, its filters, and a page from the middle of the list."""
    after = f"{middle:%Y%m%dT%H%M%S.%f}~"
    return {
        "overview": "/",
        "incidents": "/incidents",
        "incidents, one state": "/incidents?state=self_healed",
        "incidents, still open": "/incidents?state=live",
        "incidents, one service": "/incidents?service=nas/backup",
        "incidents, no hit": "/incidents?state=cancelled",
        "incidents, from the middle": f"/incidents?after={after}inc",
        "incidents as JSON": "/incidents.json",
        **log_paths(size),
        "post-mortem": f"/incidents/inc_bench_{size // 2:08}.md",
        "approvals": "/approvals",
        "services": "/services",
        "one service": "/services/nas/backup",
        "cooldowns": "/cooldowns",
        "costs": "/costs?by=service",
        "audit": "/audit",
        "audit, one target": "/audit?target=local/rare",
        "audit, one actor": "/audit?actor=rare",
        "audit, target and actor": "/audit?target=local/blog&actor=rare",
        "audit, from the middle": f"/audit?after={after}1",
        **filter_paths(after),
    }


async def times_ms(web: aiohttp.ClientSession, path: str) -> list[float]:
    """How long whole answers take, one after another."""
    taken: list[float] = []
    for _ in range(WARM_UP + REQUESTS):
        began = time.perf_counter()
        async with web.get(path) as answer:
            await answer.read()
            assert answer.status == 200, f"{path}: {answer.status}"
        taken.append((time.perf_counter() - began) * 1000)
    return taken[WARM_UP:]


async def measure(server: TestServer, size: int, home: Path) -> dict[str, list[float]]:
    """Fill a new database and ask for every page."""
    url = server.create(TEMPLATE)
    async with Pool(url) as pool:
        now = datetime.now(UTC)
        await seed.busy(pool, now)
        began = time.perf_counter()
        await asyncio.to_thread(fill, url, size)
        show(f"{size:,} incidents with their rows, filled in", f"{time.perf_counter() - began:.1f} s")
        settings = settings_for(url, home, temporal_address=NOWHERE)
        async with dashboard(pool, settings) as opened, aiohttp.ClientSession(opened.url) as web:
            middle = await opened.site.insights.incident(f"inc_bench_{size // 2:08}")
            assert middle is not None
            asked = {**paths(size, middle.row.opened_at), **whole_log_paths(size)}
            found = {name: await times_ms(web, path) for name, path in asked.items()}
    server.drop(url)
    return found


def report(sizes: Sequence[int], found: Sequence[dict[str, list[float]]]) -> None:
    """Per page and size p50 and p95, and the ratio of the medians to the smallest size."""
    print(f"\n{'page':<28}" + "".join(f"{size:>14,} p50   p95" for size in sizes) + "   ratio of p50")
    for name, smallest in found[0].items():
        cells = "".join(f"{percentile(f[name], 0.5):>18.1f} {percentile(f[name], 0.95):>5.1f}" for f in found)
        ratio = percentile(found[-1][name], 0.5) / percentile(smallest, 0.5)
        print(f"{name:<28}{cells}   {ratio:>12.2f}")
    goal = [name for name in found[0] if name not in whole_log_paths(0)]
    slowest = max((percentile(found[-1][name], 0.95), name) for name in goal)
    print()
    show(f"slowest page at {sizes[-1]:,} ({slowest[1]}), p95", f"{slowest[0]:.1f} ms", "under 50 ms")
    if len(found) > 1:
        worst = max((percentile(found[-1][n], 0.5) / percentile(found[0][n], 0.5), n) for n in goal)
        show(f"largest ratio to {sizes[0]:,} ({worst[1]})", f"{worst[0]:.2f}", "under 1.5")


def new_template(url: str) -> None:
    """Bring a database to the newest schema."""
    asyncio.run(migrate(url))


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="./dev bench pages", description=__doc__)
    parser.add_argument("--large", action="store_true", help="also a million (minutes, 3 GB of disk)")
    parser.add_argument("--small", action="store_true", help="only a thousand")
    asked = parser.parse_args()
    sizes = SIZES[:1] if asked.small else (*SIZES, LARGE) if asked.large else SIZES
    server = TestServer()
    try:
        server.start()
        server.make_template(new_template)
        with tempfile.TemporaryDirectory(prefix="tiercel-bench-") as home:
            report(sizes, [asyncio.run(measure(server, size, Path(home))) for size in sizes])
    finally:
        server.stop()


if __name__ == "__main__":
    main()
