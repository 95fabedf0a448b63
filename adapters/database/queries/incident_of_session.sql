SELECT incident FROM session WHERE id = %(id)s AND attempt = %(attempt)s
