SELECT true FROM incident WHERE id = %(id)s
