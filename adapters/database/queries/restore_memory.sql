UPDATE memory SET forgotten_at = NULL, forgotten_by = '' WHERE id = %(id)s AND forgotten_at IS NOT NULL
