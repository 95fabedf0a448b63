DELETE FROM reservation WHERE ends_at < %(before)s AND state <> 'reserved'
