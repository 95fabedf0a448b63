SELECT s.spec, h.body, s.first_seen, s.last_seen
FROM service AS s LEFT JOIN service_health AS h ON h.service = s.id
WHERE s.id = %(id)s
