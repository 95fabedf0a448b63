-- The first decision stands. Only an approval that was not used in the end may still become void.
INSERT INTO approval (
    id, incident, workflow_id, action, digest, state, body, requested_at, expires_at, decided_at, decided_by, reason
) VALUES (
    %(id)s, %(incident)s, %(workflow_id)s, %(action)s, %(digest)s, %(state)s, %(body)s, %(requested_at)s, %(expires_at)s,
    %(decided_at)s, %(decided_by)s, %(reason)s
)
ON CONFLICT (id) DO UPDATE SET
    state = excluded.state, body = excluded.body, decided_at = excluded.decided_at, decided_by = excluded.decided_by,
    reason = excluded.reason
WHERE (approval.state = 'pending' AND excluded.state <> 'pending')
   OR (approval.state = 'approved' AND excluded.state = 'void')
