SELECT k.id, k.hash, k.name, k.person, k.scopes, k.limits, k.created_at, k.expires_at, k.revoked_at, k.last_used_at, k.last_address, k.uses,
       p.name AS owner, p.role, p.disabled_at
FROM api_key k JOIN person p ON p.id = k.person
WHERE %(owner)s::text IS NULL OR k.person = %(owner)s
ORDER BY k.revoked_at IS NOT NULL, k.created_at DESC
LIMIT 200
