INSERT INTO session (id, attempt, incident, workflow_id, tier, model, engine, isolated, scripted, status, started_at)
VALUES (
    %(id)s, %(attempt)s, %(incident)s, %(workflow_id)s, %(tier)s, %(model)s, %(engine)s, %(isolated)s, %(scripted)s,
    'running', %(at)s
)
ON CONFLICT (id, attempt) DO NOTHING
