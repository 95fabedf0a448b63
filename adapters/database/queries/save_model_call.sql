-- A call that is stored already is skipped, and so is not counted twice.
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
known AS (
    SELECT stored.*, %(tier)s::integer AS tier, coalesce(incident.service, '') AS service,
        coalesce(incident.trigger, '') AS trigger
    FROM stored LEFT JOIN incident ON incident.id = stored.incident
),
of_session AS (
    INSERT INTO session_cost (session, incident, tier, service, day, calls, tokens, cost_usd)
    SELECT session, incident, tier, service, (at AT TIME ZONE 'UTC')::date, 1, tokens, cost_usd FROM known
    ON CONFLICT (session) DO UPDATE SET
        calls = session_cost.calls + 1, tokens = session_cost.tokens + excluded.tokens,
        cost_usd = session_cost.cost_usd + excluded.cost_usd
)
INSERT INTO cost_slot (slot, tier, service, trigger, scripted, calls, tokens, cost_usd)
SELECT date_bin('30 minutes', at, '2000-01-01 00:00+00'), tier, service, trigger, scripted, 1, tokens, cost_usd FROM known
ON CONFLICT (slot, tier, service, trigger, scripted) DO UPDATE SET
    calls = cost_slot.calls + 1, tokens = cost_slot.tokens + excluded.tokens,
    cost_usd = cost_slot.cost_usd + excluded.cost_usd
