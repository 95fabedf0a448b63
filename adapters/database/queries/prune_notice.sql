DELETE FROM notice WHERE at < %(before)s
