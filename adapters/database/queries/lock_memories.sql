SELECT pg_advisory_xact_lock(hashtext('tiercel memories'))
