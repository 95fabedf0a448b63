-- Money that is promised to running sessions, and who paused them all. What is spent lies in cost_slot.
CREATE TABLE reservation (
    id text PRIMARY KEY,               -- <session>/<attempt>
    session text NOT NULL,
    incident text NOT NULL,
    tier integer NOT NULL,
    usd double precision NOT NULL,     -- what its process might spend at most
    before_usd double precision NOT NULL,
    state text NOT NULL CHECK (state IN ('reserved', 'settled', 'released')),
    cost_usd double precision NOT NULL DEFAULT 0,
    at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL
);
CREATE INDEX reservation_open ON reservation (at) WHERE state = 'reserved';
CREATE INDEX reservation_ends ON reservation (ends_at);

CREATE TABLE budget_note (
    at timestamptz PRIMARY KEY,
    paused boolean NOT NULL,
    reason text NOT NULL,
    actor text NOT NULL,
    actor_kind text NOT NULL
);
