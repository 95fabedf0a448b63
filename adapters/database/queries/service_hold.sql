SELECT kind, until, reason
FROM (
    SELECT DISTINCT ON (kind) kind, until, reason
    FROM ledger_note
    WHERE service = %(service)s AND kind IN ('maintenance', 'snooze') AND at <= %(at)s
    ORDER BY kind, at DESC, id DESC
) AS newest
WHERE until > %(at)s
ORDER BY kind
LIMIT 1
