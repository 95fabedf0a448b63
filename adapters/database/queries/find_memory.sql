-- The incident of its session is left out where the record no longer has it.
SELECT id, service, category, text, confidence, times, pinned, session,
    coalesce((SELECT incident.id FROM incident WHERE incident.id = memory.incident), '') AS incident,
    author, created_at, seen_at, forgotten_at, forgotten_by
FROM memory
WHERE id = %(id)s
