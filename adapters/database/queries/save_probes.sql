-- Results that are stored already are skipped, and so are not counted twice in their half hour.
WITH stored AS (
    INSERT INTO probe_result (service, probe, kind, status, at, latency_ms, summary, evidence, identity, patrol)
    SELECT *, %(patrol)s FROM unnest(
        %(services)s::text[], %(probes)s::text[], %(kinds)s::text[], %(statuses)s::text[], %(ats)s::timestamptz[],
        %(latencies)s::double precision[], %(summaries)s::text[], %(evidences)s::text[], %(identities)s::text[]
    )
    ON CONFLICT (service, probe, at) DO NOTHING
    RETURNING service, status, at
)
INSERT INTO probe_slot (service, slot, ok, warn, fail, error)
SELECT
    service, date_bin('30 minutes', at, '2000-01-01 00:00+00'),
    count(*) FILTER (WHERE status = 'ok'), count(*) FILTER (WHERE status = 'warn'),
    count(*) FILTER (WHERE status = 'fail'), count(*) FILTER (WHERE status = 'error')
FROM stored
GROUP BY 1, 2
ORDER BY 1, 2
ON CONFLICT (service, slot) DO UPDATE SET
    ok = probe_slot.ok + excluded.ok, warn = probe_slot.warn + excluded.warn,
    fail = probe_slot.fail + excluded.fail, error = probe_slot.error + excluded.error
