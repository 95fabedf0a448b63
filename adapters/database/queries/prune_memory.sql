DELETE FROM memory WHERE forgotten_at < %(before)s
