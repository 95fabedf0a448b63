DELETE FROM web_session WHERE id = %(id)s AND person = %(person)s
