INSERT INTO cost_day (day, tier, service, trigger, scripted, calls, tokens, cost_usd)
SELECT (slot AT TIME ZONE %(zone)s)::date, tier, service, trigger, scripted, sum(calls), sum(tokens), sum(cost_usd)
FROM cost_slot
GROUP BY 1, 2, 3, 4, 5
