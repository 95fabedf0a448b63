-- A call that is stored already is skipped, and so is not counted twice. The lock holds the zone of the days until the
-- call is counted in it.
WITH stored AS (
    INSERT INTO model_call (
        id, session, incident, at, model, status, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
        cost_usd, latency_ms, scripted
    ) VALUES (
        %(id)s, %(session)s, %(incident)s, %(at)s, %(model)s, %(status)s, %(input_tokens)s, %(output_tokens)s,
        %(cache_read_tokens)s, %(cache_write_tokens)s, %(cost_usd)s, %(latency_ms)s, %(scripted)s
    )
    ON CONFLICT (id) DO NOTHING
    RETURNING session, incident, at, scripted, cost_usd,
        input_tokens + output_tokens + cache_read_tokens + cache_write_tokens AS tokens
),
counting AS (
    SELECT zone FROM cost_zone FOR SHARE
),
known AS (
    SELECT stored.*, %(tier)s::integer AS tier, coalesce(incident.service, '') AS service,
        coalesce(incident.trigger, '') AS trigger, date_bin('30 minutes', stored.at, '2000-01-01 00:00+00') AS slot, zone
    FROM stored CROSS JOIN counting LEFT JOIN incident ON incident.id = stored.incident
),
of_session AS (
    INSERT INTO session_cost (session, incident, tier, service, day, calls, tokens, cost_usd)
    SELECT session, incident, tier, service, (at AT TIME ZONE 'UTC')::date, 1, tokens, cost_usd FROM known
    ON CONFLICT (session) DO UPDATE SET
        calls = session_cost.calls + 1, tokens = session_cost.tokens + excluded.tokens,
        cost_usd = session_cost.cost_usd + excluded.cost_usd
),
of_day AS (
    INSERT INTO cost_day (day, tier, service, trigger, scripted, calls, tokens, cost_usd)
    SELECT (slot AT TIME ZONE zone)::date, tier, service, trigger, scripted, 1, tokens, cost_usd FROM known
    ON CONFLICT (day, tier, service, trigger, scripted) DO UPDATE SET
        calls = cost_day.calls + 1, tokens = cost_day.tokens + excluded.tokens,
        cost_usd = cost_day.cost_usd + excluded.cost_usd
)
INSERT INTO cost_slot (slot, tier, service, trigger, scripted, calls, tokens, cost_usd)
SELECT slot, tier, service, trigger, scripted, 1, tokens, cost_usd FROM known
ON CONFLICT (slot, tier, service, trigger, scripted) DO UPDATE SET
    calls = cost_slot.calls + 1, tokens = cost_slot.tokens + excluded.tokens,
    cost_usd = cost_slot.cost_usd + excluded.cost_usd
