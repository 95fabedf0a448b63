UPDATE person SET role = %(role)s WHERE id = %(id)s
