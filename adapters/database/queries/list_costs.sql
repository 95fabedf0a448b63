-- Per day (in the owner's zone) and part; of many parts the dearest six, and the rest together. Sums of days are read
-- where they are kept in this zone and the span is one of whole days, and the half hours everywhere else: never both.
WITH kept AS (
    SELECT zone = %(zone)s
        AND (%(since)s::timestamptz AT TIME ZONE zone)::time = '00:00' AND (%(until)s::timestamptz AT TIME ZONE zone)::time = '00:00' AS good
    FROM cost_zone
),
counted AS (
    SELECT day, tier, service, trigger, scripted, calls, tokens, cost_usd
    FROM cost_day
    WHERE (SELECT good FROM kept)
      AND day >= (%(since)s::timestamptz AT TIME ZONE %(zone)s)::date AND day < (%(until)s::timestamptz AT TIME ZONE %(zone)s)::date
    UNION ALL
    SELECT (slot AT TIME ZONE %(zone)s)::date AS day, tier, service, trigger, scripted, calls, tokens, cost_usd
    FROM cost_slot
    WHERE NOT (SELECT good FROM kept) AND slot >= %(since)s AND slot < %(until)s
),
cells AS (
    SELECT day, CASE %(by)s WHEN 'service' THEN service WHEN 'trigger' THEN trigger ELSE tier::text END AS part,
        sum(calls)::bigint AS calls, (sum(calls) FILTER (WHERE scripted))::bigint AS scripted_calls,
        sum(tokens)::bigint AS tokens, sum(cost_usd) AS cost_usd
    FROM counted
    GROUP BY 1, 2
),
ranked AS (
    SELECT part, row_number() OVER (ORDER BY sum(cost_usd) DESC, sum(tokens) DESC, part) AS place FROM cells GROUP BY part
)
SELECT day, CASE WHEN place <= 6 THEN part ELSE 'others' END AS part, sum(calls)::bigint AS calls,
    coalesce(sum(scripted_calls), 0)::bigint AS scripted_calls, sum(tokens)::bigint AS tokens, sum(cost_usd) AS cost_usd,
    least(min(place), 7)::integer AS place
FROM cells JOIN ranked USING (part)
GROUP BY 1, 2
ORDER BY 1, 7
