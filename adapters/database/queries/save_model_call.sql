INSERT INTO model_call (
    id, session, incident, at, model, status, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
    cost_usd, latency_ms, scripted
) VALUES (
    %(id)s, %(session)s, %(incident)s, %(at)s, %(model)s, %(status)s, %(input_tokens)s, %(output_tokens)s,
    %(cache_read_tokens)s, %(cache_write_tokens)s, %(cost_usd)s, %(latency_ms)s, %(scripted)s
)
ON CONFLICT (id) DO NOTHING
