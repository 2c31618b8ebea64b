-- The baseline of the webhook benchmark: the durable writes of one projected subscription event as one transaction of nine
-- statements, the way a service without batching does it. Run by pgbench with prepared statements.
\set n random(0, :entities - 1)
BEGIN;
INSERT INTO bench.event_keys (provider, event_id) VALUES ('stripe', gen_random_uuid()::text) ON CONFLICT DO NOTHING;
INSERT INTO bench.events (id, received_at, type, status, payload) VALUES (gen_random_uuid(), now(), 'customer.subscription.updated', 'pending', (SELECT p.payload FROM bench.payload p));
SELECT id FROM bench.entities WHERE n = :n FOR NO KEY UPDATE;
UPDATE bench.subscriptions SET status = 'active', provider_updated_at = now(), updated_at = now() WHERE n = :n;
INSERT INTO bench.items (n, price, quantity, period_start, period_end) VALUES (:n, 'price_1', 1, now(), now()) ON CONFLICT (n) DO UPDATE SET quantity = excluded.quantity, period_start = excluded.period_start, period_end = excluded.period_end;
UPDATE bench.entities SET revision = revision + 1 WHERE n = :n;
INSERT INTO bench.audit (id, n, actor, action, at) VALUES (gen_random_uuid(), :n, 'provider stripe', 'BILLING_WEBHOOK_PROCESSED', now());
INSERT INTO bench.feed (n, revision) VALUES (:n, 1);
INSERT INTO bench.outcomes (id, status) VALUES (gen_random_uuid(), 'processed');
COMMIT;
