-- Every action word there is. The index is stepped through from word to word: a DISTINCT would read it whole.
WITH RECURSIVE word AS (
    (SELECT action FROM audit ORDER BY action LIMIT 1)
    UNION ALL
    SELECT (SELECT action FROM audit WHERE action > word.action ORDER BY action LIMIT 1) FROM word WHERE action IS NOT NULL
)
SELECT action FROM word WHERE action IS NOT NULL
