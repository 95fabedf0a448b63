SELECT id, service, affected, trigger, state, tier, summary, prompt, requested_by, alert, workflow_id, run_id,
    dry_run, scripted, opened_at, updated_at, closed_at
FROM incident
WHERE id = %(id)s
   OR (length(%(id)s::text) >= 6 AND starts_with(id, %(id)s::text) AND opened_at >= (SELECT max(opened_at) FROM incident) - interval '90 days')
LIMIT 3
