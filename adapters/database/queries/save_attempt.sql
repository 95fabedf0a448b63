UPDATE login_attempt SET failures = %(failures)s, last_at = %(at)s WHERE kind = %(kind)s AND subject = %(subject)s
