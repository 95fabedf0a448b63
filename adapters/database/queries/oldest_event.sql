SELECT least(
    (SELECT min(t.at) FROM unnest(%(timeline)s::text[]) AS wanted (kind)
     CROSS JOIN LATERAL (
        SELECT at FROM timeline WHERE timeline.kind = wanted.kind AND (%(service)s::text = '' OR service = %(service)s)
        ORDER BY at LIMIT 1
     ) AS t),
    (SELECT min(at) FROM notice WHERE %(notices)s AND (%(service)s::text = '' OR service = %(service)s)),
    (SELECT min(started_at) FROM patrol WHERE %(patrols)s),
    (SELECT min(at) FROM probe_result WHERE %(probes)s AND status <> 'ok' AND (%(service)s::text = '' OR service = %(service)s)),
    (SELECT min(at) FROM ledger_note WHERE %(notes)s AND (%(service)s::text = '' OR service = %(service)s))
)
