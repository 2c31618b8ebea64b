-- What goes by one of several indexes that serve as well costs a page of each; and a plan that was made for few rows takes any of them.

-- Referenced by nothing, and no narrower than subscriptions_provider_subscription_key: an event's subscription was looked up by this one
-- and written by that.
ALTER TABLE billing.subscriptions DROP CONSTRAINT subscriptions_provider_subscription_entity_key;

-- Parked events are found by what they wait for, or by their customer; where few were parked, either query went through all of the
-- other's index.
DROP INDEX billing.webhook_events_parked_idx;
CREATE INDEX webhook_events_parked_idx ON billing.webhook_events (provider_customer_id)
  WHERE status = 'parked' AND provider_customer_id IS NOT NULL;
-- fastupdate off: what is inserted would gather in a list first, that each search reads from end to end.
DROP INDEX billing.webhook_events_waits_for_idx;
CREATE INDEX webhook_events_waits_for_idx ON billing.webhook_events USING gin (waits_for) WITH (fastupdate = off)
  WHERE status = 'parked' AND waits_for IS NOT NULL;
