UPDATE login_attempt SET failures = greatest(failures - 1, 0) WHERE kind = %(kind)s AND subject = %(subject)s
