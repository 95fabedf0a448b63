DELETE FROM known_browser WHERE last_login_at < %(before)s
