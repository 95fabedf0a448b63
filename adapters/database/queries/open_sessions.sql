SELECT id, attempt, workflow_id FROM session WHERE status = 'running' ORDER BY started_at
