INSERT INTO ledger_note (service, kind, until, reason, actor, at)
VALUES (%(service)s, %(kind)s, %(until)s, %(reason)s, %(actor)s, %(at)s)
ON CONFLICT (service, kind, at) DO NOTHING
