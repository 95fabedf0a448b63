-- `stopped` is what we write over a session that was lost; what the process itself came to is the better truth.
UPDATE session SET
    status = %(status)s, message = %(message)s, report = %(report)s,
    input_tokens = %(input_tokens)s, output_tokens = %(output_tokens)s,
    cache_read_tokens = %(cache_read_tokens)s, cache_write_tokens = %(cache_write_tokens)s,
    cost_usd = %(cost_usd)s, lines = %(lines)s,
    ended_at = coalesce(%(ended_at)s::timestamptz, session.ended_at, now())
WHERE id = %(id)s AND attempt = %(attempt)s
  AND (status IN ('running', 'stopped') OR status = %(status)s)
