SELECT coalesce(sum(cost_usd), 0) FROM cost_slot WHERE slot >= %(since)s
