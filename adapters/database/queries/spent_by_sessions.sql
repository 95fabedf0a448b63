SELECT session, cost_usd FROM session_cost WHERE session = ANY(%(sessions)s)
