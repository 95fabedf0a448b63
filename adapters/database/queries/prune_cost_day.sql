DELETE FROM cost_day WHERE day < (SELECT (%(before)s::timestamptz AT TIME ZONE zone)::date FROM cost_zone)
