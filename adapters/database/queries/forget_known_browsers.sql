DELETE FROM known_browser WHERE person = %(person)s
