SELECT DISTINCT ON (service, kind) service, kind, until, reason, actor, at
FROM ledger_note
WHERE %(service)s::text IS NULL OR service = %(service)s
ORDER BY service, kind, at DESC, id DESC
