SELECT service, affected, summary FROM incident WHERE id = %(id)s
