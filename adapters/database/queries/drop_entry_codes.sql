DELETE FROM entry_code WHERE person = %(person)s AND used_at IS NULL
