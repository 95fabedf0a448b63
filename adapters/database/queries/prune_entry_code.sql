DELETE FROM entry_code WHERE used_at < %(before)s OR expires_at < %(before)s
