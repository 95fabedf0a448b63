INSERT INTO entry_code (hash, kind, person, created_at, expires_at)
VALUES (%(hash)s, %(kind)s, %(person)s, %(at)s, %(expires_at)s)
