DELETE FROM patrol WHERE started_at < %(before)s
