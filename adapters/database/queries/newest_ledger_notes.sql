SELECT DISTINCT ON (kind) kind, until, reason, at
FROM ledger_note
WHERE service = %(service)s
ORDER BY kind, at DESC, id DESC
