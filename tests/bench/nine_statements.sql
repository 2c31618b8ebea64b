-- The baseline of the webhook benchmark: the durable writes of one projected subscription event as one transaction of nine
-- statements, the way a service without batching does it. Run by pgbench with prepared statements.
\set n random(0, :entities - 1)
\set quantity random(1, 7)
BEGIN;
INSERT INTO bench.webhook_event_keys (provider, provider_event_id, event_id, received_at) VALUES ('stripe', 'evt_bench' || nextval('bench.ids'), bench.id(currval('bench.ids')), now()) ON CONFLICT (provider, provider_event_id) DO NOTHING;
INSERT INTO bench.webhook_events (id, received_at, env, provider, provider_event_id, type, api_version, livemode, provider_created_at, object_id, provider_customer_id, entity_id, status, payload, processed_at, first_processed_at) VALUES (bench.id(currval('bench.ids')), now(), 'test', 'stripe', 'evt_bench' || currval('bench.ids'), 'customer.subscription.updated', '2026-10-28.endive', false, now(), 'sub_bench' || :n::text, 'cus_bench' || :n::text, md5('entity' || :n::text)::uuid, 'processed', (SELECT p.payload FROM bench.payload p), now(), now());
SELECT e.id FROM bench.entities e WHERE e.id = md5('entity' || :n::text)::uuid FOR NO KEY UPDATE;
SELECT s.* FROM bench.subscriptions s WHERE s.entity_id = md5('entity' || :n::text)::uuid;
UPDATE bench.subscriptions SET status = 'active', is_current = true, latest_invoice_id = 'in_' || currval('bench.ids'), provider_updated_at = now(), provider_event_id = 'evt_bench' || currval('bench.ids'), updated_at = now() WHERE id = md5('sub' || :n::text)::uuid;
INSERT INTO bench.subscription_items AS i (id, entity_id, subscription_id, provider, provider_item_id, provider_price_id, quantity, current_period_start, current_period_end) VALUES (md5('item' || :n::text)::uuid, md5('entity' || :n::text)::uuid, md5('sub' || :n::text)::uuid, 'stripe', 'si_bench' || :n::text, 'price_1', :quantity, now(), now()) ON CONFLICT (provider, provider_item_id) DO UPDATE SET provider_price_id = EXCLUDED.provider_price_id, quantity = EXCLUDED.quantity, current_period_start = EXCLUDED.current_period_start, current_period_end = EXCLUDED.current_period_end, updated_at = now();
INSERT INTO bench.audit_log (id, created_at, env, entity_id, actor, action, provider_event_id, detail, before_digest, after_digest) VALUES (bench.id(currval('bench.ids')), now(), 'test', md5('entity' || :n::text)::uuid, E'provider\x3astripe', 'BILLING_WEBHOOK_PROCESSED', 'evt_bench' || currval('bench.ids'), '{"object_id": "sub_bench1", "result": "updated", "type": "customer.subscription.updated"}', 'f3b2d1c09a8e7f6054433221100ffeeddccbbaa998877665544332211001122', 'a3b2d1c09a8e7f6054433221100ffeeddccbbaa998877665544332211001122');
UPDATE bench.entities SET revision = revision + 1 WHERE id = md5('entity' || :n::text)::uuid;
INSERT INTO bench.change_feed (entity_id, revision, created_at) VALUES (md5('entity' || :n::text)::uuid, 1, now());
COMMIT;
