-- People, their sessions and keys, the codes that let them in, and what slows down guessing.
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

ALTER TABLE audit DROP CONSTRAINT audit_actor_kind_check;
ALTER TABLE audit ADD CONSTRAINT audit_actor_kind_check CHECK (actor_kind IN ('user', 'session', 'system', 'cli', 'web', 'key'));
