INSERT INTO session_output (session, attempt, first_seq, n, at, codec, body)
SELECT %(session)s, %(attempt)s, *
FROM unnest(%(first_seq)s::bigint[], %(n)s::integer[], %(at)s::timestamptz[], %(codec)s::smallint[], %(body)s::bytea[])
