-- No process lasts for days: one that nobody ended was lost together with its budget.
DELETE FROM reservation WHERE ends_at < %(before)s
