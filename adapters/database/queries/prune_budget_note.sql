-- The newest says whether sessions may begin.
DELETE FROM budget_note WHERE at < %(before)s AND at < (SELECT max(at) FROM budget_note)
