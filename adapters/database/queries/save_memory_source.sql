INSERT INTO memory_source (memory, session, incident, at)
VALUES (%(memory)s, %(session)s, %(incident)s, %(at)s)
ON CONFLICT DO NOTHING
