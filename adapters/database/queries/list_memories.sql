-- The incident of its session is left out where the record no longer has it.
SELECT id, service, category, text, confidence, times, pinned, session,
    coalesce((SELECT incident.id FROM incident WHERE incident.id = memory.incident), '') AS incident,
    author, created_at, seen_at, forgotten_at, forgotten_by
FROM memory
WHERE (%(service)s::text IS NULL OR service = %(service)s)
  AND (%(category)s::text = '' OR category = %(category)s)
  AND (%(text)s::text = '' OR position(%(text)s IN lower(text)) > 0)
  AND (forgotten_at IS NOT NULL) = %(forgotten)s
  AND (NOT %(pinned)s OR pinned)
  AND (%(least)s::double precision IS NULL OR faded(confidence, pinned, seen_at, %(at)s, %(half_life_s)s) >= %(least)s)
  AND (%(after_at)s::timestamptz IS NULL OR (seen_at, id) < (%(after_at)s, %(after_key)s))
ORDER BY seen_at DESC, id DESC
LIMIT %(limit)s
