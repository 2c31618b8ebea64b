-- Tables of the webhook benchmark's baseline, shaped like ours.
CREATE SCHEMA bench;
CREATE TABLE bench.event_keys (provider text, event_id text, PRIMARY KEY (provider, event_id));
CREATE TABLE bench.payload (payload bytea);
CREATE TABLE bench.events (id uuid PRIMARY KEY, received_at timestamptz, type text, status text, payload bytea COMPRESSION lz4);
CREATE TABLE bench.entities (n integer PRIMARY KEY, id uuid NOT NULL, revision bigint NOT NULL);
CREATE TABLE bench.subscriptions (n integer PRIMARY KEY, status text, provider_updated_at timestamptz, updated_at timestamptz);
CREATE TABLE bench.items (n integer PRIMARY KEY, price text, quantity bigint, period_start timestamptz, period_end timestamptz);
CREATE TABLE bench.audit (id uuid PRIMARY KEY, n integer, actor text, action text, at timestamptz);
CREATE TABLE bench.feed (seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n integer, revision bigint);
CREATE TABLE bench.outcomes (id uuid PRIMARY KEY, status text);
INSERT INTO bench.entities SELECT g, gen_random_uuid(), 1 FROM generate_series(0, :entities - 1) AS g;
INSERT INTO bench.subscriptions SELECT g, 'active', now(), now() FROM generate_series(0, :entities - 1) AS g;
ANALYZE bench.entities, bench.subscriptions;
