-- Memories: what sessions and people found worth keeping.

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
