DELETE FROM session_output AS old
WHERE old.at < %(before)s AND NOT EXISTS (
    SELECT 1 FROM session LEFT JOIN incident ON incident.id = session.incident
    WHERE session.id = old.session AND session.attempt = old.attempt AND (
        session.ended_at IS NULL
        OR (incident.id IS NOT NULL AND (incident.closed_at IS NULL OR incident.closed_at >= %(before)s))
    )
)
