-- One array per service: its buckets of `step`, oldest first, each (seconds since 1970, ok, warn, fail, error, failures, seconds down).
SELECT s.id, (
    SELECT array_agg(ARRAY[b.bucket, b.ok, b.warn, b.fail, b.error, b.failures, b.down_s] ORDER BY b.bucket)
    FROM (
        SELECT extract(epoch FROM date_bin(%(step)s::interval, slot, '2000-01-01 00:00+00'))::bigint AS bucket,
            sum(ok) AS ok, sum(warn) AS warn, sum(fail) AS fail, sum(error) AS error,
            sum(failures) AS failures, round(sum(down_s))::bigint AS down_s
        FROM probe_half_day
        WHERE service = s.id AND slot >= %(since)s AND slot <= %(until)s
        GROUP BY 1
    ) AS b
)
FROM service AS s
WHERE s.id = ANY(%(services)s::text[])
