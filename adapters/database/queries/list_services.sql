SELECT s.id, s.node, s.name, s.kind, s.repository, s.present,
    coalesce(h.status, 'unknown') AS status, h.since, h.last_probe_at, r.latency_ms,
    coalesce(h.summary, '') AS summary, coalesce(i.id, '') AS open_incident
FROM service AS s
LEFT JOIN service_health AS h ON h.service = s.id
LEFT JOIN LATERAL (
    SELECT max(latency_ms) AS latency_ms
    FROM (
        SELECT DISTINCT ON (probe) latency_ms
        FROM (
            SELECT probe, latency_ms, at FROM probe_result WHERE service = s.id ORDER BY at DESC LIMIT 8
        ) AS last
        ORDER BY probe, at DESC
    ) AS newest
) AS r ON true
LEFT JOIN LATERAL (
    SELECT id FROM incident
    WHERE closed_at IS NULL AND (service = s.id OR s.id = ANY(affected))
    ORDER BY opened_at DESC LIMIT 1
) AS i ON true
WHERE (s.present OR %(gone)s) AND (%(id)s::text IS NULL OR s.id = %(id)s)
ORDER BY array_position(ARRAY['down', 'degraded', 'unknown', 'up'], coalesce(h.status, 'unknown')), s.id
