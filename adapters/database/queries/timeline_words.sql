-- Every kind of entry there is, stepped through like audit_words.
WITH RECURSIVE word AS (
    (SELECT kind FROM timeline ORDER BY kind LIMIT 1)
    UNION ALL
    SELECT (SELECT kind FROM timeline WHERE timeline.kind > word.kind ORDER BY timeline.kind LIMIT 1) FROM word WHERE kind IS NOT NULL
)
SELECT kind FROM word WHERE kind IS NOT NULL
