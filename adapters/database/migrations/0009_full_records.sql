-- Lists and costs that take no longer on a record of a million sessions than on one of a thousand.

-- Events of one service: what lies in histories and notices knows its service itself.
ALTER TABLE timeline ADD COLUMN service text NOT NULL DEFAULT '';
UPDATE timeline SET service = incident.service FROM incident WHERE incident.id = timeline.incident AND incident.service <> '';
CREATE INDEX timeline_service ON timeline (service, kind, at DESC, key COLLATE "C" DESC);
ALTER TABLE notice ADD COLUMN service text NOT NULL DEFAULT '';
UPDATE notice SET service = incident.service FROM incident WHERE incident.id = notice.incident AND incident.service <> '';
CREATE INDEX notice_service ON notice (service, at DESC);
CREATE INDEX probe_result_service_bad ON probe_result (service, at DESC, id DESC) WHERE status <> 'ok';

-- By what else lists are filtered.
CREATE INDEX approval_state ON approval (state, requested_at DESC, id DESC) WHERE state <> 'pending';
CREATE INDEX audit_kind_action ON audit (actor_kind, action, at DESC, id DESC);
CREATE INDEX permit_granted ON permit (granted_at DESC, id DESC);

-- Spending by days of one zone, the owner's, counted beside the half hours: a page of two months would otherwise add up
-- 48 of them for each day and part.
CREATE TABLE cost_zone (
    id boolean PRIMARY KEY DEFAULT true CHECK (id),
    zone text NOT NULL
);
INSERT INTO cost_zone (zone) VALUES ('UTC');

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

INSERT INTO cost_day (day, tier, service, trigger, scripted, calls, tokens, cost_usd)
SELECT (slot AT TIME ZONE 'UTC')::date, tier, service, trigger, scripted, sum(calls), sum(tokens), sum(cost_usd)
FROM cost_slot
GROUP BY 1, 2, 3, 4, 5;
