SELECT body FROM action WHERE incident = %(incident)s ORDER BY requested_at, id
