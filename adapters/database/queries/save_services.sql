INSERT INTO service (id, node, name, kind, spec, repository, first_seen, last_seen)
SELECT id, node, name, kind, spec, repository, %(at)s, %(at)s
FROM unnest(
    %(ids)s::text[], %(nodes)s::text[], %(names)s::text[], %(kinds)s::text[], %(specs)s::jsonb[], %(repositories)s::text[]
) AS given (id, node, name, kind, spec, repository)
ON CONFLICT (id) DO UPDATE SET
    node = excluded.node, name = excluded.name, kind = excluded.kind, spec = excluded.spec,
    repository = excluded.repository, present = true, last_seen = excluded.last_seen
