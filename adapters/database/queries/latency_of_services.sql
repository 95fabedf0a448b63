SELECT s.id, percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY r.latency_ms)
FROM unnest(%(services)s::text[]) AS s (id)
JOIN probe_result AS r ON r.service = s.id AND r.at >= %(since)s
GROUP BY s.id
