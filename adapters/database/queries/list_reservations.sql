SELECT id, session, incident, tier, usd, before_usd, state, cost_usd, at, ends_at
FROM reservation
WHERE state = 'reserved' OR ends_at > %(since)s
ORDER BY at, id
