SELECT id, service, category, text, confidence, times, pinned, session, incident, author, created_at, seen_at, forgotten_at, forgotten_by
FROM memory
WHERE id = %(id)s
