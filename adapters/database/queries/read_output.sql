-- The next line may be in the middle of a chunk, so reading starts with the chunk that holds it.
SELECT first_seq, codec, body
FROM session_output
WHERE session = %(session)s AND attempt = %(attempt)s AND first_seq >= coalesce((
    SELECT max(first_seq) FROM session_output
    WHERE session = %(session)s AND attempt = %(attempt)s AND first_seq <= %(after)s::bigint + 1
), 0)
ORDER BY first_seq
LIMIT %(chunks)s
