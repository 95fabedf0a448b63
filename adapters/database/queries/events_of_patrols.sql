SELECT started_at AS at, 'patrol:' || id AS key, 'patrol' AS source, 'patrol' AS kind,
    services || ' services probed, ' || failing || ' failing, ' || opened || ' incidents opened' AS text,
    '' AS service, '' AS incident, failing = 0 AS good
FROM patrol
WHERE (%(since)s::timestamptz IS NULL OR started_at >= %(since)s) AND (%(until)s::timestamptz IS NULL OR started_at < %(until)s)
  AND (%(after_at)s::timestamptz IS NULL
    OR (started_at <= %(after_at)s AND (started_at < %(after_at)s OR ('patrol:' || id) COLLATE "C" < %(after_key)s::text COLLATE "C")))
ORDER BY started_at DESC, id COLLATE "C" DESC
LIMIT %(limit)s
