SELECT c.kind, c.person, p.name, c.expires_at
FROM entry_code c LEFT JOIN person p ON p.id = c.person
WHERE c.hash = %(hash)s AND c.used_at IS NULL AND p.disabled_at IS NULL AND (c.expires_at IS NULL OR c.expires_at > %(now)s)
