SELECT coalesce(sum(cost_usd), 0) FROM model_call WHERE session = %(session)s
