UPDATE person SET pin_hash = %(pin_hash)s WHERE id = %(id)s
