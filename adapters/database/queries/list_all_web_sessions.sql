SELECT s.id, s.person, s.created_at, s.password_at, s.last_seen_at, s.expires_at, s.address, s.user_agent, p.name, p.role
FROM web_session s JOIN person p ON p.id = s.person
WHERE s.expires_at > %(now)s AND s.last_seen_at > %(idle_since)s
ORDER BY s.last_seen_at DESC
LIMIT 500
