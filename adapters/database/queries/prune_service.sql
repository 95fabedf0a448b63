WITH gone AS (
    DELETE FROM service WHERE NOT present AND last_seen < %(before)s RETURNING id
), forgotten AS (
    DELETE FROM service_health WHERE service IN (SELECT id FROM gone)
)
SELECT id FROM gone
