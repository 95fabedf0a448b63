SELECT s.id, s.person, s.created_at, s.password_at, s.last_seen_at, s.expires_at, s.address, s.user_agent, p.name, p.role
FROM web_session s JOIN person p ON p.id = s.person
WHERE s.id = %(id)s AND p.disabled_at IS NULL
