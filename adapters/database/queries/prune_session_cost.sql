DELETE FROM session_cost WHERE day < (%(before)s AT TIME ZONE 'UTC')::date
