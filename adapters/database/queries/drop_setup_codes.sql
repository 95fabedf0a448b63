DELETE FROM entry_code WHERE kind = 'setup' AND used_at IS NULL
