SELECT n.at, 'notice:' || n.channel || ' ' || n.key AS key, 'notice' AS source, n.kind,
    n.title || ' · ' || n.channel || CASE WHEN n.delivered THEN '' ELSE ', not delivered: ' || n.message END AS text,
    coalesce(i.service, '') AS service, coalesce(n.incident, '') AS incident, n.delivered AS good
FROM (
    SELECT * FROM notice
    WHERE (%(since)s::timestamptz IS NULL OR at >= %(since)s) AND (%(until)s::timestamptz IS NULL OR at < %(until)s)
      AND (%(after_at)s::timestamptz IS NULL
        OR (at <= %(after_at)s AND (at < %(after_at)s OR ('notice:' || channel || ' ' || key) COLLATE "C" < %(after_key)s::text COLLATE "C")))
    ORDER BY at DESC, (channel || ' ' || key) COLLATE "C" DESC
    LIMIT %(limit)s
) AS n
LEFT JOIN incident AS i ON i.id = n.incident
ORDER BY n.at DESC, (n.channel || ' ' || n.key) COLLATE "C" DESC
