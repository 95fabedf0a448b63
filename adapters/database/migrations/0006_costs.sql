CREATE INDEX session_limit ON session (started_at DESC) WHERE status = 'limit';

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

INSERT INTO cost_slot (slot, tier, service, trigger, scripted, calls, tokens, cost_usd)
SELECT date_bin('30 minutes', c.at, '2000-01-01 00:00+00'), coalesce(s.tier, 0), coalesce(i.service, ''),
    coalesce(i.trigger, ''), c.scripted, count(*),
    sum(c.input_tokens + c.output_tokens + c.cache_read_tokens + c.cache_write_tokens), sum(c.cost_usd)
FROM model_call AS c
LEFT JOIN incident AS i ON i.id = c.incident
LEFT JOIN session AS s ON s.id = c.session AND s.attempt = 1
GROUP BY 1, 2, 3, 4, 5;

INSERT INTO session_cost (session, incident, tier, service, day, calls, tokens, cost_usd)
SELECT c.session, min(c.incident), coalesce(min(s.tier), 0), coalesce(min(i.service), ''),
    (min(c.at) AT TIME ZONE 'UTC')::date, count(*),
    sum(c.input_tokens + c.output_tokens + c.cache_read_tokens + c.cache_write_tokens), sum(c.cost_usd)
FROM model_call AS c
LEFT JOIN incident AS i ON i.id = c.incident
LEFT JOIN session AS s ON s.id = c.session AND s.attempt = 1
GROUP BY c.session;
