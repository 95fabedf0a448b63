SELECT DISTINCT service FROM memory WHERE service <> '' ORDER BY service
