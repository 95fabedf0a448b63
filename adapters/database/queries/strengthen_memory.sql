UPDATE memory SET
    confidence = %(confidence)s, times = times + 1, session = %(session)s, incident = %(incident)s, seen_at = %(at)s
WHERE id = %(id)s
