-- Who answered by a link from a message showed a token and perhaps a PIN, and was not logged in: a kind of its own.
ALTER TABLE audit DROP CONSTRAINT audit_actor_kind_check;
ALTER TABLE audit ADD CONSTRAINT audit_actor_kind_check CHECK (actor_kind IN ('user', 'session', 'system', 'cli', 'web', 'key', 'link'));
