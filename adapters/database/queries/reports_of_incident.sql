SELECT tier, report::text
FROM session
WHERE incident = %(incident)s AND report IS NOT NULL
ORDER BY started_at DESC, attempt DESC
LIMIT %(limit)s
