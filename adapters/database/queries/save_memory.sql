INSERT INTO memory (id, service, category, text, same, confidence, pinned, session, incident, author, created_at, seen_at)
VALUES (%(id)s, %(service)s, %(category)s, %(text)s, %(same)s, %(confidence)s, %(pinned)s, %(session)s, %(incident)s, %(author)s, %(at)s, %(at)s)
ON CONFLICT DO NOTHING
