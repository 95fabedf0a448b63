SELECT session, incident, at
FROM memory_source
WHERE memory = %(memory)s
ORDER BY at DESC, session
LIMIT %(limit)s
