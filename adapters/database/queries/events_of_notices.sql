SELECT at, 'notice:' || channel || ' ' || key AS key, 'notice' AS source, kind,
    title || ' · ' || channel || CASE WHEN delivered THEN '' ELSE ', not delivered: ' || message END AS text,
    service, coalesce(incident, '') AS incident, delivered AS good
FROM notice
WHERE (%(service)s::text = '' OR service = %(service)s)
  AND (%(since)s::timestamptz IS NULL OR at >= %(since)s) AND (%(until)s::timestamptz IS NULL OR at < %(until)s)
  AND (%(after_at)s::timestamptz IS NULL
    OR (at <= %(after_at)s AND (at < %(after_at)s OR ('notice:' || channel || ' ' || key) COLLATE "C" < %(after_key)s::text COLLATE "C")))
ORDER BY at DESC, (channel || ' ' || key) COLLATE "C" DESC
LIMIT %(limit)s
