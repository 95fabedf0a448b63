SELECT s.id, s.attempt, s.incident, s.workflow_id, s.tier, s.model, s.engine, s.isolated, s.scripted, s.status, s.message,
    s.report, s.input_tokens, s.output_tokens, s.cache_read_tokens, s.cache_write_tokens, s.cost_usd,
    coalesce(o.newest, s.lines) AS lines, s.started_at, s.ended_at
FROM (
    SELECT * FROM session
    WHERE %(after_at)s::timestamptz IS NULL
       OR (started_at, id, attempt)
        < (%(after_at)s, split_part(%(after_key)s::text, ':', 1), split_part(%(after_key)s::text, ':', 2)::integer)
    ORDER BY started_at DESC, id DESC, attempt DESC
    LIMIT %(limit)s
) AS s
LEFT JOIN LATERAL (
    SELECT first_seq + n - 1 AS newest FROM session_output
    WHERE session = s.id AND attempt = s.attempt ORDER BY first_seq DESC LIMIT 1
) AS o ON true
ORDER BY s.started_at DESC, s.id DESC, s.attempt DESC
