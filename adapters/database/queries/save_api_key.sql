INSERT INTO api_key (id, hash, name, person, scopes, limits, created_at, expires_at)
VALUES (%(id)s, %(hash)s, %(name)s, %(person)s, %(scopes)s, %(limits)s, %(at)s, %(expires_at)s)
