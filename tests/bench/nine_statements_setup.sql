-- Tables of the webhook benchmark's baseline: ours, with their indexes, checks, fill factors (0016) and samples (0018; LIKE copies
-- neither) but without foreign keys, row-level security and partitions, so that nothing of the mesh sees what is written.
CREATE SCHEMA bench;
CREATE TABLE bench.webhook_event_keys (LIKE billing.webhook_event_keys INCLUDING ALL);
CREATE TABLE bench.webhook_events (LIKE billing.webhook_events INCLUDING ALL);
CREATE TABLE bench.entities (LIKE billing.entities INCLUDING ALL);
CREATE TABLE bench.subscriptions (LIKE billing.subscriptions INCLUDING ALL);
CREATE TABLE bench.subscription_items (LIKE billing.subscription_items INCLUDING ALL);
CREATE TABLE bench.audit_log (LIKE billing.audit_log INCLUDING ALL);
CREATE TABLE bench.change_feed (LIKE billing.change_feed INCLUDING ALL);
CREATE TABLE bench.payload (payload bytea);
ALTER TABLE bench.entities SET (fillfactor = 70);
ALTER TABLE bench.subscriptions SET (fillfactor = 70);
ALTER TABLE bench.subscription_items SET (fillfactor = 70);
SELECT billing.sample_lightly(t::regclass)
FROM unnest(ARRAY['bench.webhook_events', 'bench.webhook_event_keys', 'bench.audit_log', 'bench.change_feed']) AS t;
-- Ids in the order of time, as ours are.
CREATE SEQUENCE bench.ids CACHE 100;
CREATE FUNCTION bench.id(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT lpad(to_hex(n), 32, '0')::uuid $$;
INSERT INTO bench.entities SELECT * FROM billing.entities;
INSERT INTO bench.subscriptions SELECT * FROM billing.subscriptions;
INSERT INTO bench.subscription_items SELECT * FROM billing.subscription_items;
ANALYZE bench.entities, bench.subscriptions, bench.subscription_items;
