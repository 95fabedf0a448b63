INSERT INTO web_session (id, person, created_at, password_at, last_seen_at, expires_at, address, user_agent)
VALUES (%(id)s, %(person)s, %(at)s, %(at)s, %(at)s, %(expires_at)s, %(address)s, %(user_agent)s)
