SELECT body FROM approval WHERE incident = %(incident)s ORDER BY requested_at, id
