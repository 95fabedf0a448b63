UPDATE person SET disabled_at = %(at)s WHERE id = %(id)s
