-- Whole days only, so that the half hours of a day are never fewer than its sum. The newest month stays as long as it is
-- the newest, however short the retention: the month's budget is counted from it.
DELETE FROM cost_slot
WHERE slot < (
    SELECT least(
        date_trunc('day', %(before)s::timestamptz AT TIME ZONE zone),
        date_trunc('month', (SELECT max(slot) FROM cost_slot) AT TIME ZONE zone)
    ) AT TIME ZONE zone
    FROM cost_zone
)
