SELECT failures, last_at FROM login_attempt WHERE kind = %(kind)s AND subject = %(subject)s FOR UPDATE
