SELECT p.id, p.name, p.role, p.password_hash IS NOT NULL AS joined, p.pin_hash IS NOT NULL AS has_pin, p.created_at, p.disabled_at,
       (SELECT max(s.last_seen_at) FROM web_session s WHERE s.person = p.id) AS last_seen_at,
       (SELECT count(*) FROM api_key k WHERE k.person = p.id AND k.revoked_at IS NULL) AS keys
FROM person p
ORDER BY p.name
