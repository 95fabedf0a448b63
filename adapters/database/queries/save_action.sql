-- The state before the effect stays: an attempt that died with its worker left nothing else to compare with.
-- States only go forward: a late repetition of `performing` must not hide `done`, and the first end is the end.
WITH step (state, n) AS (
    VALUES ('requested', 0), ('permitted', 1), ('waiting', 1), ('performing', 2), ('unknown', 3)  -- others: the end
)
INSERT INTO action (
    id, incident, session, tier, kind, target, digest, state, message, body, requested_at, finished_at
) VALUES (
    %(id)s, %(incident)s, %(session)s, %(tier)s, %(kind)s, %(target)s, %(digest)s, %(state)s, %(message)s, %(body)s,
    %(requested_at)s, %(finished_at)s
)
ON CONFLICT (id) DO UPDATE SET
    state = excluded.state, message = excluded.message, finished_at = excluded.finished_at,
    body = CASE WHEN excluded.body -> 'before' = 'null' THEN
        excluded.body || jsonb_build_object('before', action.body -> 'before') ELSE excluded.body END
WHERE excluded.state = action.state
   OR coalesce((SELECT n FROM step WHERE step.state = excluded.state), 4)
    > coalesce((SELECT n FROM step WHERE step.state = action.state), 4)
   OR (action.state IN ('permitted', 'waiting') AND excluded.state IN ('permitted', 'waiting'))
