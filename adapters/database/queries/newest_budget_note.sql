SELECT paused, reason, actor, actor_kind, at FROM budget_note ORDER BY at DESC LIMIT 1
