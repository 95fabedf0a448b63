INSERT INTO timeline (key, incident, at, kind, tier, text, detail, service)
VALUES (
    %(key)s, %(incident)s, %(at)s, %(kind)s, %(tier)s, %(text)s, %(detail)s,
    coalesce((SELECT service FROM incident WHERE id = %(incident)s), '')
)
ON CONFLICT (key) DO NOTHING
