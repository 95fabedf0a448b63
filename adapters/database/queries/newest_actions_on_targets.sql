SELECT a.body
FROM unnest(%(targets)s::text[]) AS wanted (target)
CROSS JOIN LATERAL (
    SELECT body, requested_at, id FROM action
    WHERE action.target = wanted.target ORDER BY requested_at DESC, id DESC LIMIT %(each)s
) AS a
ORDER BY a.requested_at DESC, a.id DESC
