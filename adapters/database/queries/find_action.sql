SELECT body FROM action WHERE id = %(id)s
