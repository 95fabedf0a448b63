-- Whole days only, so that the half hours of a day are never fewer than its sum.
DELETE FROM cost_slot
WHERE slot < (SELECT date_trunc('day', %(before)s::timestamptz AT TIME ZONE zone) AT TIME ZONE zone FROM cost_zone)
