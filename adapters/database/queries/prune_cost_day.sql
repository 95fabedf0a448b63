-- As prune_cost_slot.
DELETE FROM cost_day
WHERE day < (
    SELECT least((%(before)s::timestamptz AT TIME ZONE zone)::date, (SELECT date_trunc('month', max(day))::date FROM cost_day))
    FROM cost_zone
)
