INSERT INTO service_health (service, status, since, last_probe_at, summary, body)
SELECT * FROM unnest(
    %(services)s::text[], %(statuses)s::text[], %(sinces)s::timestamptz[], %(lasts)s::timestamptz[],
    %(summaries)s::text[], %(bodies)s::jsonb[]
)
ON CONFLICT (service) DO UPDATE SET
    status = excluded.status, since = excluded.since, last_probe_at = excluded.last_probe_at,
    summary = excluded.summary, body = excluded.body
WHERE coalesce(service_health.last_probe_at, '-infinity') <= coalesce(excluded.last_probe_at, '-infinity')
