DELETE FROM probe_result WHERE at < %(before)s
