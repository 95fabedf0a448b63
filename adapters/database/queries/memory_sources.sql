SELECT session, coalesce((SELECT incident.id FROM incident WHERE incident.id = memory_source.incident), '') AS incident, at
FROM memory_source
WHERE memory = %(memory)s
ORDER BY at DESC, session
LIMIT %(limit)s
