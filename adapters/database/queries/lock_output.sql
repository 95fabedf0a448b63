SELECT pg_advisory_xact_lock(hashtextextended('output ' || %(session)s::text, %(attempt)s))
