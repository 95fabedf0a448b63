SELECT at, 'note:' || lpad(id::text, 20, '0') AS key, 'note' AS source, kind, actor || ': ' || reason AS text,
    service, '' AS incident, NULL::boolean AS good
FROM ledger_note
WHERE (%(service)s::text = '' OR service = %(service)s)
  AND (%(since)s::timestamptz IS NULL OR at >= %(since)s) AND (%(until)s::timestamptz IS NULL OR at < %(until)s)
  AND (%(after_at)s::timestamptz IS NULL
    OR (at <= %(after_at)s AND (at < %(after_at)s OR ('note:' || lpad(id::text, 20, '0')) COLLATE "C" < %(after_key)s::text COLLATE "C")))
ORDER BY at DESC, id DESC
LIMIT %(limit)s
