SELECT id, service, kind, cooldown_class, state, granted_at, expires_at, holder, outcome
FROM permit
WHERE service = %(service)s AND granted_at >= %(since)s
ORDER BY granted_at, id
