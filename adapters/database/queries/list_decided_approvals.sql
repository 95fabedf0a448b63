SELECT body FROM approval
WHERE state <> 'pending' AND (%(state)s::text = '' OR state = %(state)s)
  AND (%(after_at)s::timestamptz IS NULL OR (requested_at, id) < (%(after_at)s, %(after_key)s::text))
ORDER BY requested_at DESC, id DESC
LIMIT %(limit)s
