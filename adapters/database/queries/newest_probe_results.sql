SELECT service, probe, kind, status, at, latency_ms, summary, evidence, identity
FROM probe_result
WHERE service = ANY(%(services)s::text[])
ORDER BY at DESC, id DESC
LIMIT %(limit)s
