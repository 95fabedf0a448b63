-- One row per notice and channel. Delivered stays delivered; the same attempt written twice counts once.
INSERT INTO notice (key, channel, incident, kind, title, body, delivered, message, at, service)
VALUES (
    %(key)s, %(channel)s, %(incident)s, %(kind)s, %(title)s, %(body)s, %(delivered)s, %(message)s, %(at)s,
    coalesce((SELECT service FROM incident WHERE id = %(incident)s), '')
)
ON CONFLICT (key, channel) DO UPDATE SET
    delivered = excluded.delivered, message = excluded.message, at = excluded.at, attempts = notice.attempts + 1
WHERE NOT notice.delivered AND excluded.at > notice.at
