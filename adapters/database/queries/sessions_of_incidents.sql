SELECT id, attempt, incident, tier, model, status, cost_usd,
    input_tokens + output_tokens + cache_read_tokens + cache_write_tokens AS tokens, started_at, ended_at
FROM session
WHERE incident = ANY(%(incidents)s::text[])
ORDER BY started_at, id, attempt
