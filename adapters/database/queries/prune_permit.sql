DELETE FROM permit WHERE granted_at < %(before)s AND expires_at < %(before)s
