SELECT s.id, (
    SELECT array_agg(ARRAY[extract(epoch FROM slot)::bigint, ok, warn, fail, error])
    FROM probe_slot WHERE service = s.id AND slot BETWEEN %(since)s AND %(until)s
)
FROM service AS s
WHERE s.id = ANY(%(services)s::text[])
