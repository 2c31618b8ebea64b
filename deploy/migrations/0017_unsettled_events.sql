-- All events that aren't settled, in one index: they are counted every few seconds. Those that wait to be woken were left out of it,
-- so that the count read every event that was ever stored.
DROP INDEX billing.webhook_events_due_idx;
CREATE INDEX webhook_events_due_idx ON billing.webhook_events (run_after) WHERE status IN ('pending', 'failed', 'parked');
