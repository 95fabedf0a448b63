-- Results that are stored already are skipped, and so are not counted twice in their half hour and half day.
-- A failure lasts until the next result of its probe, at most two hours: later, nobody knows. Of probes that fail at
-- the same time the longest counts.
WITH stored AS (
    INSERT INTO probe_result (service, probe, kind, status, at, latency_ms, summary, evidence, identity, patrol)
    SELECT *, %(patrol)s FROM unnest(
        %(services)s::text[], %(probes)s::text[], %(kinds)s::text[], %(statuses)s::text[], %(ats)s::timestamptz[],
        %(latencies)s::double precision[], %(summaries)s::text[], %(evidences)s::text[], %(identities)s::text[]
    )
    ON CONFLICT (service, probe, at) DO NOTHING
    RETURNING service, probe, status, at
), seen AS (
    SELECT s.service, s.probe, s.status, s.at,
        coalesce(lag(s.status) OVER w, earlier.status) AS was, coalesce(lag(s.at) OVER w, earlier.at) AS was_at
    FROM stored AS s
    LEFT JOIN LATERAL (
        SELECT status, at FROM probe_result
        WHERE service = s.service AND probe = s.probe AND at < s.at ORDER BY at DESC LIMIT 1
    ) AS earlier ON true
    WINDOW w AS (PARTITION BY s.service, s.probe ORDER BY s.at)
), per_probe AS (
    SELECT service, probe, date_bin('30 minutes', at, '2000-01-01 00:00+00') AS slot,
        count(*) FILTER (WHERE status = 'ok') AS ok, count(*) FILTER (WHERE status = 'warn') AS warn,
        count(*) FILTER (WHERE status = 'fail') AS fail, count(*) FILTER (WHERE status = 'error') AS error,
        count(*) FILTER (WHERE status = 'fail' AND was IS DISTINCT FROM 'fail') AS failures,
        coalesce(sum(least(extract(epoch FROM at - was_at), 7200)) FILTER (WHERE was = 'fail'), 0) AS down_s
    FROM seen GROUP BY 1, 2, 3
), per_slot AS (
    SELECT service, slot, sum(ok) AS ok, sum(warn) AS warn, sum(fail) AS fail, sum(error) AS error,
        max(failures) AS failures, max(down_s) AS down_s
    FROM per_probe GROUP BY 1, 2
), half_days AS (
    INSERT INTO probe_half_day (service, slot, ok, warn, fail, error, failures, down_s)
    SELECT service, date_bin('12 hours', slot, '2000-01-01 00:00+00'),
        sum(ok), sum(warn), sum(fail), sum(error), sum(failures), sum(down_s)
    FROM per_slot GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (service, slot) DO UPDATE SET
        ok = probe_half_day.ok + excluded.ok, warn = probe_half_day.warn + excluded.warn,
        fail = probe_half_day.fail + excluded.fail, error = probe_half_day.error + excluded.error,
        failures = probe_half_day.failures + excluded.failures, down_s = probe_half_day.down_s + excluded.down_s
)
INSERT INTO probe_slot (service, slot, ok, warn, fail, error, failures, down_s)
SELECT service, slot, ok, warn, fail, error, failures, down_s
FROM per_slot ORDER BY 1, 2
ON CONFLICT (service, slot) DO UPDATE SET
    ok = probe_slot.ok + excluded.ok, warn = probe_slot.warn + excluded.warn,
    fail = probe_slot.fail + excluded.fail, error = probe_slot.error + excluded.error,
    failures = probe_slot.failures + excluded.failures, down_s = probe_slot.down_s + excluded.down_s
