-- reserved < released < expired < confirmed: whatever arrives late, a slot that was used stays used.
INSERT INTO permit (id, service, kind, cooldown_class, state, granted_at, expires_at, holder, outcome)
VALUES (
    %(id)s, %(service)s, %(kind)s, %(cooldown_class)s, %(state)s, %(granted_at)s, %(expires_at)s, %(holder)s, %(outcome)s
)
ON CONFLICT (id) DO UPDATE SET
    state = excluded.state, outcome = excluded.outcome, expires_at = excluded.expires_at
WHERE array_position(ARRAY['reserved', 'released', 'expired', 'confirmed'], excluded.state)
   >= array_position(ARRAY['reserved', 'released', 'expired', 'confirmed'], permit.state)
