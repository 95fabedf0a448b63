DELETE FROM approval_link WHERE created_at < %(before)s
