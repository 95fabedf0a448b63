-- Lists with two filters of which each lets much through, and both together nothing.

DROP INDEX incident_state;
DROP INDEX incident_trigger;
DROP INDEX incident_tier;
CREATE INDEX incident_words ON incident (state, trigger, tier, opened_at DESC, id DESC);
CREATE INDEX incident_service_words ON incident (service, state, trigger, tier, opened_at DESC, id DESC);
CREATE INDEX incident_node_words ON incident (split_part(service, '/', 1), state, trigger, tier, opened_at DESC, id DESC);

CREATE INDEX audit_actor_target ON audit (actor, target, at DESC, id DESC);
CREATE INDEX audit_actor_action ON audit (actor, action, at DESC, id DESC);
CREATE INDEX audit_target_action ON audit (target, action, at DESC, id DESC);
