-- The record as it is now. Migrations are the way here; a test proves that both give the same database.
-- Times are timestamptz. Every state column has a CHECK that lists its words (domain/*.py has the same).

CREATE TABLE schema_version (
    version integer PRIMARY KEY,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- ---------------------------------------------------------------- inventory and health

CREATE TABLE service (
    id text PRIMARY KEY,
    node text NOT NULL,
    name text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('container', 'unit', 'external')),
    spec jsonb NOT NULL,               -- domain.inventory.Service
    repository text NOT NULL DEFAULT '',
    present boolean NOT NULL DEFAULT true,
    first_seen timestamptz NOT NULL,
    last_seen timestamptz NOT NULL
);

CREATE TABLE inventory (
    id boolean PRIMARY KEY DEFAULT true CHECK (id),
    revision text NOT NULL,
    body jsonb NOT NULL,               -- domain.inventory.Inventory
    problems integer NOT NULL,
    read_at timestamptz NOT NULL
);

CREATE TABLE service_health (
    service text PRIMARY KEY,
    status text NOT NULL CHECK (status IN ('up', 'degraded', 'down', 'unknown')),
    since timestamptz,
    last_probe_at timestamptz,
    summary text NOT NULL DEFAULT '',
    body jsonb NOT NULL                -- domain.health.ServiceHealth
);

CREATE TABLE probe_result (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    service text NOT NULL,
    probe text NOT NULL,
    kind text NOT NULL,
    status text NOT NULL CHECK (status IN ('ok', 'warn', 'fail', 'error')),
    at timestamptz NOT NULL,
    latency_ms double precision NOT NULL,
    summary text NOT NULL,
    evidence text NOT NULL DEFAULT '',
    identity text NOT NULL DEFAULT '',
    patrol text NOT NULL DEFAULT '',
    UNIQUE (service, probe, at)
);
CREATE INDEX probe_result_service_at ON probe_result (service, at DESC) INCLUDE (latency_ms);
CREATE INDEX probe_result_bad ON probe_result (at DESC, id DESC) WHERE status <> 'ok';
CREATE INDEX probe_result_service_bad ON probe_result (service, at DESC, id DESC) WHERE status <> 'ok';
CREATE INDEX probe_result_at ON probe_result USING brin (at);

-- Half an hour of one service, counted while results are stored: uptime bars would otherwise read every result.
CREATE TABLE probe_slot (
    service text NOT NULL,
    slot timestamptz NOT NULL,         -- beginning, at :00 or :30
    ok integer NOT NULL DEFAULT 0,
    warn integer NOT NULL DEFAULT 0,
    fail integer NOT NULL DEFAULT 0,
    error integer NOT NULL DEFAULT 0,
    failures integer NOT NULL DEFAULT 0,         -- how often it began to fail
    down_s double precision NOT NULL DEFAULT 0,  -- for how long a probe of it failed, told by the next result
    PRIMARY KEY (service, slot)
);

-- The same for half a day, beginning at 00:00 or 12:00 UTC: bars of 30 and 90 days.
CREATE TABLE probe_half_day (
    service text NOT NULL,
    slot timestamptz NOT NULL,
    ok integer NOT NULL DEFAULT 0,
    warn integer NOT NULL DEFAULT 0,
    fail integer NOT NULL DEFAULT 0,
    error integer NOT NULL DEFAULT 0,
    failures integer NOT NULL DEFAULT 0,
    down_s double precision NOT NULL DEFAULT 0,
    PRIMARY KEY (service, slot)
);

CREATE TABLE patrol (
    id text PRIMARY KEY,
    started_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL,
    services integer NOT NULL,
    failing integer NOT NULL,
    opened integer NOT NULL,
    problems integer NOT NULL
);
CREATE INDEX patrol_started ON patrol (started_at DESC);

-- ---------------------------------------------------------------- incidents

CREATE TABLE incident (
    id text PRIMARY KEY,
    service text NOT NULL,
    affected text[] NOT NULL DEFAULT '{}',
    trigger text NOT NULL CHECK (trigger IN ('patrol', 'manual', 'alert', 'look')),
    state text NOT NULL CHECK (state IN (
        'open', 'waiting', 'verifying', 'watching', 'resolved', 'self_healed',
        'needs_person', 'reported', 'interrupted', 'cancelled')),
    tier integer NOT NULL DEFAULT 0,
    summary text NOT NULL DEFAULT '',
    prompt text NOT NULL DEFAULT '',
    requested_by text NOT NULL DEFAULT '',
    alert jsonb NOT NULL,              -- domain.incident.Alert
    workflow_id text NOT NULL,
    run_id text NOT NULL,
    dry_run boolean NOT NULL,
    scripted boolean NOT NULL,
    opened_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    closed_at timestamptz,
    CHECK ((closed_at IS NOT NULL) = (state IN ('resolved', 'self_healed', 'reported', 'interrupted', 'cancelled')))
);
CREATE INDEX incident_opened ON incident (opened_at DESC, id DESC);
CREATE INDEX incident_service ON incident (service, opened_at DESC, id DESC);
CREATE INDEX incident_tried ON incident (opened_at DESC, id DESC) WHERE tier > 0;
CREATE INDEX incident_node ON incident (split_part(service, '/', 1), opened_at DESC, id DESC);
CREATE INDEX incident_words ON incident (state, trigger, tier, opened_at DESC, id DESC);
CREATE INDEX incident_service_words ON incident (service, state, trigger, tier, opened_at DESC, id DESC);
CREATE INDEX incident_node_words ON incident (split_part(service, '/', 1), state, trigger, tier, opened_at DESC, id DESC);
CREATE INDEX incident_live ON incident (opened_at DESC) WHERE closed_at IS NULL;

CREATE TABLE timeline (
    key text PRIMARY KEY,
    incident text NOT NULL,
    at timestamptz NOT NULL,
    kind text NOT NULL,
    tier integer NOT NULL DEFAULT 0,
    text text NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}',
    service text NOT NULL DEFAULT ''   -- the incident's
);
CREATE INDEX timeline_incident ON timeline (incident, at);
CREATE INDEX timeline_kind ON timeline (kind, at DESC, key COLLATE "C" DESC);
CREATE INDEX timeline_service ON timeline (service, kind, at DESC, key COLLATE "C" DESC);

-- ---------------------------------------------------------------- sessions

CREATE TABLE session (
    id text NOT NULL,
    attempt integer NOT NULL,
    incident text NOT NULL,
    workflow_id text NOT NULL,
    tier integer NOT NULL,
    model text NOT NULL,
    engine text NOT NULL,
    isolated boolean NOT NULL,
    scripted boolean NOT NULL,
    status text NOT NULL CHECK (status IN (
        'running', 'completed', 'deferred', 'refused', 'limit', 'invalid',
        'failed', 'retry_later', 'auth', 'stopped')),
    message text NOT NULL DEFAULT '',
    report jsonb,
    input_tokens bigint NOT NULL DEFAULT 0,
    output_tokens bigint NOT NULL DEFAULT 0,
    cache_read_tokens bigint NOT NULL DEFAULT 0,
    cache_write_tokens bigint NOT NULL DEFAULT 0,
    cost_usd double precision NOT NULL DEFAULT 0,
    lines bigint NOT NULL DEFAULT 0,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (id, attempt),
    CHECK ((ended_at IS NULL) = (status = 'running'))
);
CREATE INDEX session_incident ON session (incident, started_at);
CREATE INDEX session_started ON session (started_at DESC, id DESC);
CREATE INDEX session_running ON session (started_at) WHERE status = 'running';
CREATE INDEX session_limit ON session (started_at DESC) WHERE status = 'limit';

-- One row per chunk of lines (64 lines, 64 KB or 250 ms). One writer per (session, attempt).
CREATE TABLE session_output (
    session text NOT NULL,
    attempt integer NOT NULL,
    first_seq bigint NOT NULL,
    n integer NOT NULL CHECK (n > 0),
    at timestamptz NOT NULL,
    codec smallint NOT NULL CHECK (codec IN (0, 1)),  -- 0 JSON, 1 JSON in zstd
    body bytea NOT NULL,
    PRIMARY KEY (session, attempt, first_seq)
);
ALTER TABLE session_output ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE INDEX session_output_at ON session_output USING brin (at);

-- The gateway's own count, one row per model request.
CREATE TABLE model_call (
    id text PRIMARY KEY,
    session text NOT NULL,
    incident text NOT NULL,
    at timestamptz NOT NULL,
    model text NOT NULL,
    status integer NOT NULL,
    input_tokens bigint NOT NULL DEFAULT 0,
    output_tokens bigint NOT NULL DEFAULT 0,
    cache_read_tokens bigint NOT NULL DEFAULT 0,
    cache_write_tokens bigint NOT NULL DEFAULT 0,
    cost_usd double precision NOT NULL DEFAULT 0,
    latency_ms double precision NOT NULL DEFAULT 0,
    scripted boolean NOT NULL
);
CREATE INDEX model_call_session ON model_call (session, at);
CREATE INDEX model_call_at ON model_call (at DESC);

-- Half an hour of spending, counted while calls are stored: a month would otherwise read every call. Zones that lie a
-- quarter of an hour off get their midnight rounded.
CREATE TABLE cost_slot (
    slot timestamptz NOT NULL,         -- beginning, at :00 or :30
    tier integer NOT NULL,             -- 0 where it is not known
    service text NOT NULL,
    trigger text NOT NULL,
    scripted boolean NOT NULL,
    calls bigint NOT NULL,
    tokens bigint NOT NULL,
    cost_usd double precision NOT NULL,
    PRIMARY KEY (slot, tier, service, trigger, scripted)
);

-- In whose days spending is added up: one row. While it changes, nobody may count.
CREATE TABLE cost_zone (
    id boolean PRIMARY KEY DEFAULT true CHECK (id),
    zone text NOT NULL
);

-- The same by days of that zone: two months of half hours are 48 times as many.
CREATE TABLE cost_day (
    day date NOT NULL,
    tier integer NOT NULL,
    service text NOT NULL,
    trigger text NOT NULL,
    scripted boolean NOT NULL,
    calls bigint NOT NULL,
    tokens bigint NOT NULL,
    cost_usd double precision NOT NULL,
    PRIMARY KEY (day, tier, service, trigger, scripted)
);

-- What each session cost so far, by the day (UTC) of its first call: the dearest ones are found without adding up calls.
CREATE TABLE session_cost (
    session text PRIMARY KEY,
    incident text NOT NULL,
    tier integer NOT NULL,
    service text NOT NULL,
    day date NOT NULL,
    calls bigint NOT NULL,
    tokens bigint NOT NULL,
    cost_usd double precision NOT NULL
);
CREATE INDEX session_cost_day ON session_cost (day, tier, cost_usd DESC);

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

-- ---------------------------------------------------------------- acting

CREATE TABLE action (
    id text PRIMARY KEY,
    incident text NOT NULL,
    session text NOT NULL,
    tier integer NOT NULL,
    kind text NOT NULL,
    target text NOT NULL,
    digest text NOT NULL,
    state text NOT NULL CHECK (state IN (
        'requested', 'refused', 'permitted', 'waiting', 'denied', 'expired', 'changed',
        'performing', 'done', 'failed', 'unknown', 'dry_run')),
    message text NOT NULL DEFAULT '',
    body jsonb NOT NULL,               -- domain.action.Action
    requested_at timestamptz NOT NULL,
    finished_at timestamptz
);
CREATE INDEX action_incident ON action (incident, requested_at);
CREATE INDEX action_target ON action (target, requested_at DESC);
CREATE INDEX action_refused ON action (target, requested_at DESC) WHERE state = 'refused';

CREATE TABLE permit (
    id text PRIMARY KEY,
    service text NOT NULL,
    kind text NOT NULL,
    cooldown_class text NOT NULL CHECK (cooldown_class IN ('restart', 'remedy', 'redeploy')),
    state text NOT NULL CHECK (state IN ('reserved', 'confirmed', 'released', 'expired')),
    granted_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    holder text NOT NULL DEFAULT '',
    outcome text NOT NULL DEFAULT ''
);
CREATE INDEX permit_service ON permit (service, granted_at DESC);
CREATE INDEX permit_granted ON permit (granted_at DESC, id DESC);

CREATE TABLE ledger_note (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    service text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('maintenance', 'snooze', 'reset')),
    until timestamptz,
    reason text NOT NULL,
    actor text NOT NULL,
    at timestamptz NOT NULL,
    UNIQUE (service, kind, at)
);
CREATE INDEX ledger_note_at ON ledger_note (at DESC);

CREATE TABLE approval (
    id text PRIMARY KEY,
    incident text NOT NULL,
    workflow_id text NOT NULL,
    action text NOT NULL,
    digest text NOT NULL,
    state text NOT NULL CHECK (state IN ('pending', 'approved', 'denied', 'changed', 'expired', 'void')),
    body jsonb NOT NULL,               -- domain.incident.Approval
    requested_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    decided_at timestamptz,
    decided_by text NOT NULL DEFAULT '',
    reason text NOT NULL DEFAULT '',
    CHECK ((decided_at IS NULL) = (state = 'pending'))
);
CREATE INDEX approval_pending ON approval (requested_at) WHERE state = 'pending';
CREATE INDEX approval_decided ON approval (requested_at DESC, id DESC) WHERE state <> 'pending';
CREATE INDEX approval_state ON approval (state, requested_at DESC, id DESC) WHERE state <> 'pending';
CREATE INDEX approval_incident ON approval (incident, requested_at);

-- Links in notices. The token itself is nowhere: who reads this table can use no link.
CREATE TABLE approval_link (
    id text PRIMARY KEY,
    token_sha256 text NOT NULL UNIQUE,
    approval text NOT NULL,
    digest text NOT NULL,              -- of the one exact action that it may answer
    person text NOT NULL,              -- for whom it was made
    purpose text NOT NULL CHECK (purpose IN ('answer', 'deny')),
    channel text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    used_how text NOT NULL DEFAULT '',
    CHECK ((used_at IS NULL) = (used_how = ''))
);
CREATE INDEX approval_link_approval ON approval_link (approval, created_at);
CREATE INDEX approval_link_created ON approval_link (created_at);

-- ---------------------------------------------------------------- telling and remembering

CREATE TABLE notice (
    key text NOT NULL,
    channel text NOT NULL,
    incident text,
    kind text NOT NULL,
    title text NOT NULL,
    body text NOT NULL,
    delivered boolean NOT NULL,
    message text NOT NULL DEFAULT '',
    attempts integer NOT NULL DEFAULT 1,
    at timestamptz NOT NULL,
    service text NOT NULL DEFAULT '',  -- the incident's
    PRIMARY KEY (key, channel)
);
CREATE INDEX notice_at ON notice (at DESC);
CREATE INDEX notice_service ON notice (service, at DESC);
CREATE INDEX notice_incident ON notice (incident, at);

CREATE TABLE audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text UNIQUE,                   -- makes a repeated write the same entry
    at timestamptz NOT NULL,
    actor_kind text NOT NULL CHECK (actor_kind IN ('user', 'session', 'system', 'cli', 'web', 'key', 'link')),
    actor text NOT NULL,
    action text NOT NULL,
    target text NOT NULL DEFAULT '',
    detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_at ON audit (at DESC, id DESC);
CREATE INDEX audit_target ON audit (target, at DESC);
CREATE INDEX audit_actor ON audit (actor, at DESC, id DESC);
CREATE INDEX audit_action ON audit (action, at DESC, id DESC);
CREATE INDEX audit_actor_kind ON audit (actor_kind, at DESC, id DESC);
CREATE INDEX audit_kind_action ON audit (actor_kind, action, at DESC, id DESC);
CREATE INDEX audit_actor_target ON audit (actor, target, at DESC, id DESC);
CREATE INDEX audit_actor_action ON audit (actor, action, at DESC, id DESC);
CREATE INDEX audit_target_action ON audit (target, action, at DESC, id DESC);

-- ---------------------------------------------------------------- memories

-- What sessions and people found worth keeping. Bounded in number, and it fades (policy/memories.py).
CREATE TABLE memory (
    id text PRIMARY KEY,
    service text NOT NULL,             -- '' is about all of them
    category text NOT NULL CHECK (category IN ('timing', 'dependency', 'behaviour', 'remedy', 'place')),
    text text NOT NULL,
    same text NOT NULL,                -- its words alone: two texts that say the same are one memory
    confidence double precision NOT NULL CHECK (confidence BETWEEN 0 AND 1),  -- at seen_at
    times integer NOT NULL DEFAULT 1,
    pinned boolean NOT NULL DEFAULT false,
    session text NOT NULL DEFAULT '',
    incident text NOT NULL DEFAULT '',
    author text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    forgotten_at timestamptz,
    forgotten_by text NOT NULL DEFAULT '',
    UNIQUE (service, category, same),
    CHECK (forgotten_at IS NOT NULL OR forgotten_by = '')
);
CREATE INDEX memory_seen ON memory (seen_at DESC, id DESC);

-- Which sessions stated it. A retry changes nothing, and the tiers of one incident count as one.
CREATE TABLE memory_source (
    memory text NOT NULL REFERENCES memory ON DELETE CASCADE,
    session text NOT NULL,
    incident text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (memory, session)
);
CREATE INDEX memory_source_at ON memory_source (at);

-- policy.memories.confidence_at, for filters and for what is thrown away. A test compares the two.
CREATE FUNCTION faded(confidence double precision, pinned boolean, seen_at timestamptz, at timestamptz, half_life_s double precision)
RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN pinned THEN confidence
        ELSE confidence * power(0.5::double precision, least(greatest(extract(epoch FROM at - seen_at)::double precision, 0) / half_life_s, 1000)) END
$$;

-- ---------------------------------------------------------------- people

CREATE TABLE person (
    id text PRIMARY KEY,
    name text NOT NULL UNIQUE,         -- canonical: lower case, Unicode compatibility form
    role text NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    password_hash text,                -- argon2id; NULL until an invitation was taken up
    pin_hash text,                     -- argon2id; for answers by a link
    created_at timestamptz NOT NULL,
    disabled_at timestamptz
);

CREATE TABLE web_session (
    id text PRIMARY KEY,               -- sha256 of what the cookie holds
    person text NOT NULL REFERENCES person,
    created_at timestamptz NOT NULL,
    password_at timestamptz NOT NULL,  -- when the password was last entered
    last_seen_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    address text NOT NULL DEFAULT '',
    user_agent text NOT NULL DEFAULT ''
);
CREATE INDEX web_session_person ON web_session (person, last_seen_at DESC);

CREATE TABLE known_browser (
    id text PRIMARY KEY,               -- sha256 of what the cookie holds
    person text NOT NULL REFERENCES person,
    last_login_at timestamptz NOT NULL
);

CREATE TABLE api_key (
    id text PRIMARY KEY,               -- the key's first part, which lists show
    hash text NOT NULL,                -- sha256 of the whole key
    name text NOT NULL,
    person text NOT NULL REFERENCES person,
    scopes text[] NOT NULL,
    limits jsonb NOT NULL DEFAULT '{}',  -- domain.people.KeyLimits
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz,
    last_address text NOT NULL DEFAULT '',
    uses bigint NOT NULL DEFAULT 0
);
CREATE INDEX api_key_person ON api_key (person, created_at DESC);

CREATE TABLE login_attempt (
    kind text NOT NULL,
    subject text NOT NULL,
    failures integer NOT NULL DEFAULT 0,
    last_at timestamptz NOT NULL,
    PRIMARY KEY (kind, subject)
);

CREATE TABLE entry_code (
    hash text PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('setup', 'invitation', 'reset')),
    person text REFERENCES person,     -- NULL: setup, which makes the first admin
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    used_at timestamptz,
    CHECK ((person IS NULL) = (kind = 'setup'))
);
