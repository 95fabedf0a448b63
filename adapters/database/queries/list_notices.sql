SELECT key, channel, incident, kind, title, body, delivered, message, attempts, at
FROM notice
WHERE %(after_at)s::timestamptz IS NULL OR (at, channel || ' ' || key) < (%(after_at)s, %(after_key)s::text)
ORDER BY at DESC, channel || ' ' || key DESC
LIMIT %(limit)s
