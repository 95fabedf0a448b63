SELECT
    (SELECT count(*) FROM patrol WHERE started_at >= %(since)s AND started_at < %(until)s) AS patrols,
    EXISTS (SELECT FROM patrol WHERE started_at < %(since)s) AS watched_before,
    (SELECT count(*) FROM service WHERE present) AS services,
    (SELECT count(*) FROM service JOIN service_health ON service_health.service = service.id
        WHERE present AND status = 'down') AS down,
    (SELECT count(*) FROM incident WHERE opened_at >= %(since)s AND opened_at < %(until)s) AS opened,
    (SELECT count(*) FROM incident
        WHERE closed_at >= %(since)s AND closed_at < %(until)s AND state = 'resolved') AS resolved,
    (SELECT count(*) FROM incident
        WHERE closed_at >= %(since)s AND closed_at < %(until)s AND state = 'self_healed') AS self_healed,
    (SELECT count(*) FROM incident WHERE closed_at IS NULL AND state = 'needs_person') AS needs_person,
    (SELECT count(*) FROM approval WHERE state = 'pending') AS pending_approvals,
    (SELECT count(*) FROM action
        WHERE requested_at >= %(since)s AND requested_at < %(until)s AND state = 'done') AS actions_done,
    (SELECT count(*) FROM action
        WHERE requested_at >= %(since)s AND requested_at < %(until)s AND state = 'refused') AS actions_refused,
    m.tokens, m.cost_usd
FROM (
    SELECT coalesce(sum(input_tokens + output_tokens + cache_read_tokens + cache_write_tokens), 0)::bigint AS tokens,
        coalesce(sum(cost_usd), 0) AS cost_usd
    FROM model_call WHERE at >= %(since)s AND at < %(until)s
) AS m
