SELECT key, channel, incident, kind, title, body, delivered, message, attempts, at
FROM notice
WHERE incident = %(incident)s
ORDER BY at, channel
