-- The newest note of each service and kind: one look into the index for each, however many notes there were.
WITH RECURSIVE told AS (
    (SELECT service, kind FROM ledger_note
     WHERE %(service)s::text IS NULL OR service = %(service)s ORDER BY service, kind LIMIT 1)
    UNION ALL
    SELECT next.service, next.kind
    FROM told CROSS JOIN LATERAL (
        SELECT service, kind FROM ledger_note
        WHERE (ledger_note.service, ledger_note.kind) > (told.service, told.kind)
          AND (%(service)s::text IS NULL OR service = %(service)s)
        ORDER BY service, kind LIMIT 1
    ) AS next
)
SELECT newest.service, newest.kind, newest.until, newest.reason, newest.actor, newest.at
FROM told CROSS JOIN LATERAL (
    SELECT service, kind, until, reason, actor, at FROM ledger_note
    WHERE ledger_note.service = told.service AND ledger_note.kind = told.kind
    ORDER BY at DESC LIMIT 1
) AS newest
ORDER BY newest.service, newest.kind
