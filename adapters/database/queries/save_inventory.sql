INSERT INTO inventory (revision, body, problems, read_at)
VALUES (%(revision)s, %(body)s, %(problems)s, %(at)s)
ON CONFLICT (id) DO UPDATE SET
    revision = excluded.revision, body = excluded.body, problems = excluded.problems, read_at = excluded.read_at
WHERE inventory.read_at <= excluded.read_at
