SELECT count(*) AS calls, count(*) FILTER (WHERE scripted) AS scripted_calls,
    coalesce(sum(input_tokens), 0)::bigint AS input_tokens,
    coalesce(sum(output_tokens), 0)::bigint AS output_tokens,
    coalesce(sum(cache_read_tokens), 0)::bigint AS cache_read_tokens,
    coalesce(sum(cache_write_tokens), 0)::bigint AS cache_write_tokens,
    coalesce(sum(cost_usd), 0) AS cost_usd
FROM model_call
WHERE session IN (SELECT id FROM session WHERE incident = %(incident)s)
