INSERT INTO known_browser (id, person, last_login_at) VALUES (%(id)s, %(person)s, %(at)s)
ON CONFLICT (id) DO UPDATE SET person = EXCLUDED.person, last_login_at = EXCLUDED.last_login_at
