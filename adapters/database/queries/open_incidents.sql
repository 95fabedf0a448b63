SELECT id, workflow_id FROM incident WHERE closed_at IS NULL ORDER BY opened_at
