INSERT INTO budget_note (at, paused, reason, actor, actor_kind)
VALUES (%(at)s, %(paused)s, %(reason)s, %(actor)s, %(actor_kind)s)
ON CONFLICT (at) DO NOTHING
