-- A late repetition of an older write changes nothing. Until the first change the time of opening does not count:
-- it comes from the clock of the machine that noticed, the others from the workflow engine's.
UPDATE incident SET
    state = %(state)s,
    tier = greatest(tier, %(tier)s),
    summary = coalesce(nullif(%(summary)s, ''), summary),
    updated_at = greatest(%(at)s, opened_at),
    closed_at = CASE WHEN %(closed)s THEN %(at)s::timestamptz END
WHERE id = %(id)s AND (
    updated_at < %(at)s
    OR (updated_at = %(at)s AND (closed_at IS NULL OR %(closed)s))
    OR (updated_at = opened_at AND closed_at IS NULL)
)
