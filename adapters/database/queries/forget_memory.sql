UPDATE memory SET forgotten_at = %(at)s, forgotten_by = %(actor)s WHERE id = %(id)s AND forgotten_at IS NULL
