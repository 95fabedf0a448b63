DELETE FROM web_session WHERE last_seen_at < %(before)s OR expires_at < %(before)s
