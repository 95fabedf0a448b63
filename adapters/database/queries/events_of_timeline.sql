-- Each kind walks its own index from the position on, so that a rare kind does not read the common ones.
SELECT newest.at, 'timeline:' || newest.key AS key, 'timeline' AS source, newest.kind, newest.text, newest.service,
    newest.incident, NULL::boolean AS good
FROM unnest(%(timeline)s::text[]) AS wanted (kind)
CROSS JOIN LATERAL (
    SELECT at, key, kind, text, service, incident FROM timeline
    WHERE timeline.kind = wanted.kind AND (%(service)s::text = '' OR service = %(service)s)
      AND (%(since)s::timestamptz IS NULL OR at >= %(since)s) AND (%(until)s::timestamptz IS NULL OR at < %(until)s)
      AND (%(after_at)s::timestamptz IS NULL
        OR (at <= %(after_at)s AND (at < %(after_at)s OR ('timeline:' || key) COLLATE "C" < %(after_key)s::text COLLATE "C")))
    ORDER BY at DESC, key COLLATE "C" DESC
    LIMIT %(limit)s
) AS newest
ORDER BY newest.at DESC, newest.key COLLATE "C" DESC
LIMIT %(limit)s
