-- The newest of each kind is in force, or tells since when nothing is.
DELETE FROM ledger_note AS old
WHERE old.at < %(before)s AND EXISTS (
    SELECT 1 FROM ledger_note AS newer
    WHERE newer.service = old.service AND newer.kind = old.kind AND (newer.at, newer.id) > (old.at, old.id)
)
