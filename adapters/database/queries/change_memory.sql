UPDATE memory SET
    service = %(service)s, category = %(category)s, text = %(text)s, same = %(same)s, confidence = %(confidence)s,
    author = %(author)s, seen_at = %(at)s
WHERE id = %(id)s AND forgotten_at IS NULL
