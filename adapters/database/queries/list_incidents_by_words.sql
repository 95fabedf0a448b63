-- By state, trigger and tier, of all services, one node or one service. Each combination of words walks its own part of
-- an index to its newest: for two frequent words that never meet, a walk over either of them would read all of it.
SELECT
    i.id, i.service, i.affected, i.trigger, i.state, i.tier, i.summary, i.requested_by, i.dry_run, i.scripted,
    i.opened_at, i.updated_at, i.closed_at,
    s.sessions, a.actions, s.cost_usd, s.tokens, p.pending_approvals
FROM (
    SELECT found.id
    FROM unnest(%(states)s::text[]) AS states (word)
    CROSS JOIN unnest(%(triggers)s::text[]) AS triggers (word)
    CROSS JOIN unnest(%(tiers)s::integer[]) AS tiers (word)
    CROSS JOIN LATERAL (
        SELECT id, opened_at FROM incident
        WHERE state = states.word AND trigger = triggers.word AND tier = tiers.word
          AND (%(service)s::text = '' OR service = %(service)s)
          AND (%(node)s::text = '' OR split_part(service, '/', 1) = %(node)s)
          AND (%(since)s::timestamptz IS NULL OR opened_at >= %(since)s)
          AND (%(until)s::timestamptz IS NULL OR opened_at < %(until)s)
          AND (%(after_at)s::timestamptz IS NULL OR (opened_at, id) < (%(after_at)s, %(after_key)s::text))
        ORDER BY opened_at DESC, id DESC
        LIMIT %(limit)s
    ) AS found
    ORDER BY found.opened_at DESC, found.id DESC
    LIMIT %(limit)s
) AS wanted
JOIN incident AS i ON i.id = wanted.id
CROSS JOIN LATERAL (
    SELECT count(DISTINCT id) AS sessions, coalesce(sum(cost_usd), 0) AS cost_usd,
        coalesce(sum(input_tokens + output_tokens + cache_read_tokens + cache_write_tokens), 0)::bigint AS tokens
    FROM session WHERE incident = i.id
) AS s
CROSS JOIN LATERAL (SELECT count(*) AS actions FROM action WHERE incident = i.id) AS a
CROSS JOIN LATERAL (
    SELECT count(*) AS pending_approvals FROM approval WHERE incident = i.id AND state = 'pending'
) AS p
ORDER BY i.opened_at DESC, i.id DESC
