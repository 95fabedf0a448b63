SELECT body FROM action WHERE target = %(target)s ORDER BY requested_at DESC, id DESC LIMIT %(limit)s
