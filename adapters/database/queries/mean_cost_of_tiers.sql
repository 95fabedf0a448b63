-- Of each tier the newest sessions that asked the model.
SELECT tier, count(*)::integer AS sessions, avg(cost_usd) AS mean_usd, max(cost_usd) AS dearest_usd
FROM unnest(%(tiers)s::integer[]) AS wanted (tier)
CROSS JOIN LATERAL (
    SELECT cost_usd FROM session_cost
    WHERE session_cost.tier = wanted.tier AND day >= %(since)s
    ORDER BY day DESC LIMIT %(limit)s
) AS newest
GROUP BY tier
ORDER BY tier
