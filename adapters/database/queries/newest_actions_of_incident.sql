SELECT body FROM action WHERE incident = %(incident)s ORDER BY requested_at DESC, id DESC LIMIT %(limit)s
