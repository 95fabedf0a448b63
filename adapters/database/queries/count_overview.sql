SELECT
    h.*,
    (SELECT count(*) FROM incident WHERE closed_at IS NULL) AS open_incidents,
    (SELECT count(*) FROM incident WHERE closed_at IS NULL AND state = 'needs_person') AS needs_person,
    (SELECT count(*) FROM approval WHERE state = 'pending') AS pending_approvals,
    (SELECT count(*) FROM session WHERE status = 'running') AS running_sessions,
    coalesce((SELECT problems FROM inventory), 0) AS problems
FROM (
    SELECT count(*) AS services,
        count(*) FILTER (WHERE status = 'up') AS up,
        count(*) FILTER (WHERE status = 'degraded') AS degraded,
        count(*) FILTER (WHERE status = 'down') AS down,
        count(*) FILTER (WHERE coalesce(status, 'unknown') = 'unknown') AS unknown
    FROM service LEFT JOIN service_health ON service_health.service = service.id
    WHERE present
) AS h
