-- The ten dearest of all, and the dearest of each tier. One look into the index per day and tier.
SELECT session, incident, tier, service, day, calls, tokens, cost_usd, place, place_in_tier
FROM (
    SELECT found.*, row_number() OVER (ORDER BY cost_usd DESC, session) AS place,
        row_number() OVER (PARTITION BY tier ORDER BY cost_usd DESC, session) AS place_in_tier
    FROM generate_series(%(first)s::date, %(last)s::date, interval '1 day') AS days (of_day),
        generate_series(0, 3) AS tiers (of_tier),
        LATERAL (
            SELECT session, incident, tier, service, day, calls, tokens, cost_usd FROM session_cost
            WHERE day = of_day::date AND tier = of_tier ORDER BY cost_usd DESC LIMIT 10
        ) AS found
) AS ranked
WHERE place <= 10 OR place_in_tier = 1
ORDER BY place
