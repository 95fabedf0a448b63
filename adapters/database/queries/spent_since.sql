-- Days of some zones begin within a half hour, which then counts whole: a limit holds by less money, never by more.
SELECT coalesce(sum(cost_usd), 0) FROM cost_slot WHERE slot > %(since)s::timestamptz - interval '30 minutes'
