SELECT count(*) FROM memory WHERE pinned AND service = %(service)s AND forgotten_at IS NULL
