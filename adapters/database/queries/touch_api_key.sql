UPDATE api_key SET last_used_at = %(at)s, last_address = %(address)s, uses = uses + 1 WHERE id = %(id)s
