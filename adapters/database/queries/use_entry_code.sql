UPDATE entry_code SET used_at = %(now)s
WHERE hash = %(hash)s AND used_at IS NULL AND (expires_at IS NULL OR expires_at > %(now)s)
