-- A promise that has ended may be made anew only where it cost nothing.
INSERT INTO reservation (id, session, incident, tier, usd, before_usd, state, cost_usd, at, ends_at)
VALUES (
    %(id)s, %(session)s, %(incident)s, %(tier)s, %(usd)s, %(before_usd)s, %(state)s, %(cost_usd)s, %(at)s, %(ends_at)s
)
ON CONFLICT (id) DO UPDATE SET
    usd = excluded.usd, before_usd = excluded.before_usd, state = excluded.state, cost_usd = excluded.cost_usd,
    at = excluded.at, ends_at = excluded.ends_at
WHERE reservation.state <> 'settled'
