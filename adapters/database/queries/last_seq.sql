SELECT first_seq + n - 1
FROM session_output
WHERE session = %(session)s AND attempt = %(attempt)s
ORDER BY first_seq DESC
LIMIT 1
