DELETE FROM web_session WHERE person = %(person)s AND id <> %(keep)s
