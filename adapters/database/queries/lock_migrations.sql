SELECT pg_advisory_xact_lock(hashtextextended('tiercel migrations', 0))
