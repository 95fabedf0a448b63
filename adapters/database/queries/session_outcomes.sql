-- Of the newest processes, so that a full record costs no more than a small one.
SELECT tier, count(*) AS ended, count(*) FILTER (WHERE status IN ('completed', 'deferred')) AS well,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM ended_at - started_at))::double precision AS p50_s,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM ended_at - started_at))::double precision AS p95_s
FROM (
    SELECT tier, status, started_at, ended_at FROM session WHERE ended_at IS NOT NULL ORDER BY started_at DESC LIMIT %(limit)s
) AS newest
GROUP BY tier
ORDER BY tier
