SELECT id FROM incident
WHERE closed_at IS NULL AND starts_with(workflow_id, %(of_bait)s) AND service = ANY(%(services)s)
ORDER BY opened_at, id
LIMIT 1
