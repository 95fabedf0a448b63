SELECT s.id, (
    -- One array per service: forty-eight thousand rows would cost more to carry than to count.
    SELECT array_agg(ARRAY[extract(epoch FROM slot)::bigint, ok, warn, fail, error])
    FROM probe_slot WHERE service = s.id AND slot BETWEEN %(since)s AND %(until)s
)
FROM service AS s
WHERE s.present
ORDER BY s.id
