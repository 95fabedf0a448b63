SELECT id, at, actor_kind, actor, action, target, detail
FROM audit
WHERE actor = %(actor)s
  AND (%(after_at)s::timestamptz IS NULL OR (at, id) < (%(after_at)s, %(after_key)s::bigint))
ORDER BY at DESC, id DESC
LIMIT %(limit)s
