-- The chunk that holds the cursor may hold newer lines too, so reading starts there.
SELECT first_seq, codec, body
FROM session_output
WHERE session = %(session)s AND attempt = %(attempt)s AND first_seq >= coalesce((
    SELECT max(first_seq) FROM session_output
    WHERE session = %(session)s AND attempt = %(attempt)s AND first_seq <= %(after)s
), 0)
ORDER BY first_seq
LIMIT %(chunks)s
