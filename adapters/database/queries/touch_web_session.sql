UPDATE web_session SET last_seen_at = %(at)s, address = %(address)s WHERE id = %(id)s
