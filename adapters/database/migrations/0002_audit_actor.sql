-- The audit page filters by actor: one who did little would otherwise be looked for in the whole table.
CREATE INDEX audit_actor ON audit (actor, at DESC, id DESC);
