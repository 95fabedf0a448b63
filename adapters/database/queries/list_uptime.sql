WITH bounds AS (
    SELECT date_bin('30 minutes', %(until)s::timestamptz, '2000-01-01 00:00+00') AS last
)
SELECT s.id AS service, slots.slot AS start,
    coalesce(p.ok, 0) AS ok, coalesce(p.warn, 0) AS warn, coalesce(p.fail, 0) AS fail, coalesce(p.error, 0) AS error
FROM service AS s
CROSS JOIN bounds
CROSS JOIN LATERAL generate_series(bounds.last - %(span)s::interval, bounds.last, interval '30 minutes') AS slots (slot)
LEFT JOIN probe_slot AS p ON p.service = s.id AND p.slot = slots.slot
WHERE CASE WHEN %(service)s::text IS NULL THEN s.present ELSE s.id = %(service)s END
ORDER BY s.id, slots.slot
