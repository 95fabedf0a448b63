SELECT at, 'probe:' || lpad(id::text, 20, '0') AS key, 'probe' AS source, status AS kind,
    probe || ': ' || summary AS text, service, '' AS incident, false AS good
FROM probe_result
WHERE status <> 'ok' AND (%(service)s::text = '' OR service = %(service)s)
  AND (%(since)s::timestamptz IS NULL OR at >= %(since)s) AND (%(until)s::timestamptz IS NULL OR at < %(until)s)
  AND (%(after_at)s::timestamptz IS NULL
    OR (at <= %(after_at)s AND (at < %(after_at)s OR ('probe:' || lpad(id::text, 20, '0')) COLLATE "C" < %(after_key)s::text COLLATE "C")))
ORDER BY at DESC, id DESC
LIMIT %(limit)s
