SELECT body FROM service_health
