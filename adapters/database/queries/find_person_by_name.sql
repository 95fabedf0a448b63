SELECT id, name, role, password_hash, pin_hash, created_at, disabled_at FROM person WHERE name = %(name)s
