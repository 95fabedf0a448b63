DELETE FROM action AS old
WHERE old.requested_at < %(before)s AND NOT EXISTS
    (SELECT 1 FROM incident WHERE incident.id = old.incident AND (incident.closed_at IS NULL OR incident.closed_at >= %(before)s))
