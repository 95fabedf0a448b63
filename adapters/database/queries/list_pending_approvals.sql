SELECT body FROM approval WHERE state = 'pending' ORDER BY requested_at, id
