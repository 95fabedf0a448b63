INSERT INTO timeline (key, incident, at, kind, tier, text, detail)
VALUES (%(key)s, %(incident)s, %(at)s, %(kind)s, %(tier)s, %(text)s, %(detail)s)
ON CONFLICT (key) DO NOTHING
