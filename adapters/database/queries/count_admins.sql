SELECT count(*) FROM person WHERE role = 'admin' AND disabled_at IS NULL AND password_hash IS NOT NULL
