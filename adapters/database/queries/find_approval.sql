SELECT body FROM approval WHERE id = %(id)s
