SELECT id, service, category, text, confidence, times, pinned, session, incident, author, created_at, seen_at, forgotten_at, forgotten_by
FROM memory
WHERE service = ANY (%(services)s) AND forgotten_at IS NULL
  AND (times > 1 OR author <> '' OR incident <> %(but_of)s)
ORDER BY faded(confidence, pinned, seen_at, %(at)s, %(half_life_s)s) DESC, id
LIMIT %(limit)s
