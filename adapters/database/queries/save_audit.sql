INSERT INTO audit (key, at, actor_kind, actor, action, target, detail)
VALUES (%(key)s, %(at)s, %(actor_kind)s, %(actor)s, %(action)s, %(target)s, %(detail)s)
ON CONFLICT (key) DO NOTHING
