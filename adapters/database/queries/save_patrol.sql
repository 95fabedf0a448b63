INSERT INTO patrol (id, started_at, ended_at, services, failing, opened, problems)
VALUES (%(id)s, %(started)s, %(ended)s, %(services)s, %(failing)s, %(opened)s, %(problems)s)
ON CONFLICT (id) DO UPDATE SET
    started_at = excluded.started_at, ended_at = excluded.ended_at, services = excluded.services,
    failing = excluded.failing, opened = excluded.opened, problems = excluded.problems
WHERE patrol.ended_at <= excluded.ended_at
