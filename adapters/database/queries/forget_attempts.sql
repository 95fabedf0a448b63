DELETE FROM login_attempt WHERE kind = %(kind)s AND subject = %(subject)s
