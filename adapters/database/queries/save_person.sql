INSERT INTO person (id, name, role, password_hash, created_at)
VALUES (%(id)s, %(name)s, %(role)s, %(password_hash)s, %(at)s)
ON CONFLICT (name) DO NOTHING
