SELECT id, service, kind, cooldown_class, state, granted_at, expires_at, holder, outcome
FROM permit
WHERE granted_at >= %(since)s AND (%(service)s::text IS NULL OR service = %(service)s)
ORDER BY granted_at DESC, id DESC
