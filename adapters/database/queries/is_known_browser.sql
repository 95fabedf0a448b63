SELECT 1 FROM known_browser WHERE id = %(id)s AND person = %(person)s
