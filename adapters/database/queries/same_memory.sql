SELECT id, service, category, text, confidence, times, pinned, session, incident, author, created_at, seen_at, forgotten_at, forgotten_by
FROM memory
WHERE service = %(service)s AND category = %(category)s AND same = %(same)s
