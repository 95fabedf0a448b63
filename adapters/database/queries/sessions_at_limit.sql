SELECT id, attempt, incident, tier, message, cost_usd, started_at FROM session
WHERE status = 'limit' AND started_at >= %(since)s AND started_at < %(until)s
ORDER BY started_at DESC
LIMIT %(limit)s
