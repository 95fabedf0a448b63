INSERT INTO login_attempt (kind, subject, last_at) VALUES (%(kind)s, %(subject)s, %(at)s)
ON CONFLICT (kind, subject) DO NOTHING
