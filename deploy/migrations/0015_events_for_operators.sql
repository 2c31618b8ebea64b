-- What operators decide of stored events (WHK-4, WHK-9): whose one is, that it is done with, or that it is applied again.

ALTER TABLE billing.webhook_events
  -- The entity that an operator bound the event to; it stands above what metadata say, not above what is stored.
  ADD COLUMN bound_entity_id uuid,
  -- Since when it has its one BILLING_WEBHOOK_PROCESSED row: a replay leaves no second one.
  ADD COLUMN first_processed_at timestamptz,
  DROP CONSTRAINT webhook_events_status_check,
  ADD CONSTRAINT webhook_events_status_check CHECK (
    status IN ('pending', 'processed', 'ignored', 'parked', 'quarantined', 'failed', 'dead', 'dismissed'));

-- FORCE hides the rows from their owner too, who needn't be a superuser.
ALTER TABLE billing.webhook_events NO FORCE ROW LEVEL SECURITY;
UPDATE billing.webhook_events SET first_processed_at = processed_at WHERE status = 'processed';
ALTER TABLE billing.webhook_events FORCE ROW LEVEL SECURITY;
