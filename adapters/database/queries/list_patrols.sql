SELECT id, started_at, ended_at, services, failing, opened, problems
FROM patrol
ORDER BY started_at DESC
LIMIT %(limit)s
