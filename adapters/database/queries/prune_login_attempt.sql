-- No delay is longer than a day, so a row that nobody touched for the retention time holds nothing back.
DELETE FROM login_attempt WHERE last_at < %(before)s
