INSERT INTO incident (
    id, service, affected, trigger, state, summary, prompt, requested_by, alert,
    workflow_id, run_id, dry_run, scripted, opened_at, updated_at
) VALUES (
    %(id)s, %(service)s, %(affected)s, %(trigger)s, 'open', %(summary)s, %(prompt)s, %(requested_by)s, %(alert)s,
    %(workflow_id)s, %(run_id)s, %(dry_run)s, %(scripted)s, %(at)s, %(at)s
)
ON CONFLICT (id) DO NOTHING
