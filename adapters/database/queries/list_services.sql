-- Worst first. What belongs to a service is looked up for the rows of the page only.
SELECT s.id, s.node, s.name, s.kind, s.repository, s.present, s.status, s.since, s.last_probe_at, r.latency_ms,
    s.summary, coalesce(i.id, '') AS open_incident
FROM (
    SELECT s.id, s.node, s.name, s.kind, s.repository, s.present, coalesce(h.status, 'unknown') AS status, h.since,
        h.last_probe_at, coalesce(h.summary, '') AS summary,
        array_position(ARRAY['down', 'degraded', 'unknown', 'up'], coalesce(h.status, 'unknown')) AS rank
    FROM service AS s
    LEFT JOIN service_health AS h ON h.service = s.id
    WHERE (s.present OR %(gone)s) AND (%(id)s::text IS NULL OR s.id = %(id)s)
      AND (%(statuses)s::text[] IS NULL OR coalesce(h.status, 'unknown') = ANY(%(statuses)s::text[]))
      AND (%(node)s::text = '' OR s.node = %(node)s)
      AND (%(tag)s::text = '' OR s.spec -> 'tags' ? %(tag)s)
      AND (%(text)s::text = '' OR strpos(lower(s.id || ' ' || (s.spec ->> 'aliases') || ' ' || coalesce(h.summary, '')), %(text)s) > 0)
      -- LIMIT: one look per service. As EXISTS it becomes one walk through the bars of all services of all times.
      AND (%(unstable_since)s::timestamptz IS NULL OR (
          SELECT true FROM probe_slot WHERE service = s.id AND slot >= %(unstable_since)s AND fail > 0 LIMIT 1
      ))
      AND (%(after_rank)s::integer IS NULL
        OR (array_position(ARRAY['down', 'degraded', 'unknown', 'up'], coalesce(h.status, 'unknown')), s.id)
         > (%(after_rank)s, %(after_id)s::text))
    ORDER BY rank, s.id
    LIMIT %(limit)s
) AS s
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
ORDER BY s.rank, s.id
