-- A third answer: a person changes the action. What was asked for is never performed then.
ALTER TABLE approval DROP CONSTRAINT approval_state_check;
ALTER TABLE approval ADD CONSTRAINT approval_state_check
    CHECK (state IN ('pending', 'approved', 'denied', 'changed', 'expired', 'void'));
ALTER TABLE action DROP CONSTRAINT action_state_check;
ALTER TABLE action ADD CONSTRAINT action_state_check CHECK (state IN (
    'requested', 'refused', 'permitted', 'waiting', 'denied', 'expired', 'changed',
    'performing', 'done', 'failed', 'unknown', 'dry_run'));

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
