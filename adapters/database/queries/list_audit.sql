SELECT id, at, actor_kind, actor, action, target, detail
FROM audit
WHERE (%(target)s::text = '' OR target = %(target)s)
  AND (%(actor)s::text = '' OR actor = %(actor)s)
  AND (%(actor_kind)s::text = '' OR actor_kind = %(actor_kind)s)
  AND (%(action)s::text = '' OR action = %(action)s)
  AND (%(since)s::timestamptz IS NULL OR at >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR at < %(until)s)
  AND (%(after_at)s::timestamptz IS NULL OR (at, id) < (%(after_at)s, %(after_key)s::bigint))
ORDER BY at DESC, id DESC
LIMIT %(limit)s
