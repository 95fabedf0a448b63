-- Lists with every filter, and uptime bars of 90 days, that cost the same however much lies in the record.

-- How often a service began to fail, and for how long it failed, beside the counts of its results.
ALTER TABLE probe_slot ADD COLUMN failures integer NOT NULL DEFAULT 0;
ALTER TABLE probe_slot ADD COLUMN down_s double precision NOT NULL DEFAULT 0;
-- Bars are read service by service. An index on the time alone tempted Postgres to read all services for each of them.
DROP INDEX probe_slot_slot;

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

WITH seen AS (
    SELECT service, probe, status, at, lag(status) OVER w AS was, lag(at) OVER w AS was_at
    FROM probe_result
    WINDOW w AS (PARTITION BY service, probe ORDER BY at)
), per_probe AS (
    SELECT service, probe, date_bin('30 minutes', at, '2000-01-01 00:00+00') AS slot,
        count(*) FILTER (WHERE status = 'fail' AND was IS DISTINCT FROM 'fail') AS failures,
        coalesce(sum(least(extract(epoch FROM at - was_at), 7200)) FILTER (WHERE was = 'fail'), 0) AS down_s
    FROM seen
    GROUP BY 1, 2, 3
), per_slot AS (
    SELECT service, slot, max(failures) AS failures, max(down_s) AS down_s FROM per_probe GROUP BY 1, 2
)
UPDATE probe_slot SET failures = per_slot.failures, down_s = per_slot.down_s
FROM per_slot
WHERE probe_slot.service = per_slot.service AND probe_slot.slot = per_slot.slot;

INSERT INTO probe_half_day (service, slot, ok, warn, fail, error, failures, down_s)
SELECT service, date_bin('12 hours', slot, '2000-01-01 00:00+00'),
    sum(ok), sum(warn), sum(fail), sum(error), sum(failures), sum(down_s)
FROM probe_slot
GROUP BY 1, 2;

-- Percentiles of latency are read from the index alone.
DROP INDEX probe_result_service_at;
CREATE INDEX probe_result_service_at ON probe_result (service, at DESC) INCLUDE (latency_ms);
CREATE INDEX probe_result_bad ON probe_result (at DESC, id DESC) WHERE status <> 'ok';

-- Incidents and runs by what they are filtered by.
CREATE INDEX incident_tried ON incident (opened_at DESC, id DESC) WHERE tier > 0;
CREATE INDEX incident_trigger ON incident (trigger, opened_at DESC, id DESC);
CREATE INDEX incident_tier ON incident (tier, opened_at DESC, id DESC);
CREATE INDEX incident_node ON incident (split_part(service, '/', 1), opened_at DESC, id DESC);

-- Events: each kind walks its own index.
CREATE INDEX timeline_kind ON timeline (kind, at DESC, key COLLATE "C" DESC);
CREATE INDEX ledger_note_at ON ledger_note (at DESC);
CREATE INDEX action_refused ON action (target, requested_at DESC) WHERE state = 'refused';

-- The audit by what was done and by the kind of actor.
CREATE INDEX audit_action ON audit (action, at DESC, id DESC);
CREATE INDEX audit_actor_kind ON audit (actor_kind, at DESC, id DESC);

-- One spelling of each word of the audit.
UPDATE audit SET action = renamed.new
FROM (VALUES
    ('model_refused', 'model.refused'), ('budget_exhausted', 'budget.exhausted'), ('action_invalid', 'action.invalid'),
    ('tool_denied', 'tool.denied'), ('door_limits', 'door.limited'), ('action_requested', 'action.asked'),
    ('action_answered', 'action.answered'), ('patrol', 'patrol.started'), ('look', 'look.started'),
    ('close', 'incident.closed')
) AS renamed (old, new)
WHERE audit.action = renamed.old;
