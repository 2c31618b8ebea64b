-- What the provider says (WHK): events, and the projections made of them. Written by webhook only.

-- The dedupe key of an event, in a narrow table of its own: a unique key can't span time partitions (WHK-2).
CREATE TABLE billing.webhook_event_keys (
  provider text NOT NULL,
  provider_event_id text NOT NULL,
  event_id uuid NOT NULL,
  received_at timestamptz NOT NULL,
  CONSTRAINT webhook_event_keys_pkey PRIMARY KEY (provider, provider_event_id)
);

CREATE TABLE billing.webhook_events (
  id uuid NOT NULL,
  received_at timestamptz NOT NULL,
  env text NOT NULL,
  provider text NOT NULL,
  provider_event_id text NOT NULL,
  type text NOT NULL,
  api_version text,
  livemode boolean NOT NULL,
  -- The provider's time of the event.
  provider_created_at timestamptz NOT NULL,
  -- The id of the object that the event is about; null for objects without one.
  object_id text,
  provider_customer_id text,
  entity_id uuid,
  status text NOT NULL,
  -- Why it is ignored, parked, quarantined, failed or dead: a short stable word, then detail.
  status_reason text,
  attempts integer NOT NULL DEFAULT 0,
  run_after timestamptz,
  lease_owner text,
  lease_until timestamptz,
  lease_version bigint NOT NULL DEFAULT 0,
  -- The exact bytes that were signed; scrubbed after their retention.
  payload bytea COMPRESSION lz4,
  processed_at timestamptz,
  CONSTRAINT webhook_events_pkey PRIMARY KEY (id, received_at),
  CONSTRAINT webhook_events_status_check CHECK (
    status IN ('pending', 'processed', 'ignored', 'parked', 'quarantined', 'failed', 'dead')),
  CONSTRAINT webhook_events_processed_check CHECK ((status = 'processed') = (processed_at IS NOT NULL))
) PARTITION BY RANGE (received_at);
CREATE INDEX webhook_events_open_idx ON billing.webhook_events (run_after) WHERE status IN ('pending', 'failed');
CREATE INDEX webhook_events_parked_idx ON billing.webhook_events (provider_customer_id) WHERE status = 'parked';
CREATE INDEX webhook_events_attention_idx ON billing.webhook_events (received_at) WHERE status IN ('quarantined', 'dead');
CREATE TABLE billing.webhook_events_default PARTITION OF billing.webhook_events DEFAULT;

CREATE TABLE billing.subscriptions (
  id uuid NOT NULL,
  env text NOT NULL,
  entity_id uuid NOT NULL,
  provider text NOT NULL,
  provider_subscription_id text NOT NULL,
  provider_customer_id text NOT NULL,
  -- The operation that bought it, from our own stored correlation; null for one made elsewhere.
  operation_key text,
  status text NOT NULL,
  is_current boolean NOT NULL DEFAULT false,
  cancel_at_period_end boolean NOT NULL DEFAULT false,
  cancel_at timestamptz,
  canceled_at timestamptz,
  ended_at timestamptz,
  trial_start timestamptz,
  trial_end timestamptz,
  -- Set once, never rewritten (WHK-7).
  provider_subscription_created_at timestamptz NOT NULL,
  latest_invoice_id text,
  collection_paused boolean NOT NULL DEFAULT false,
  -- The provider time, event and kind of source that this row was last written from (WHK-5).
  provider_updated_at timestamptz NOT NULL,
  provider_event_id text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT billing.now(),
  updated_at timestamptz NOT NULL DEFAULT billing.now(),
  CONSTRAINT subscriptions_pkey PRIMARY KEY (id),
  CONSTRAINT subscriptions_entity_fkey FOREIGN KEY (entity_id) REFERENCES billing.entities (id),
  CONSTRAINT subscriptions_customer_fkey FOREIGN KEY (provider, provider_customer_id, entity_id)
    REFERENCES billing.entity_customers (provider, provider_customer_id, entity_id),
  CONSTRAINT subscriptions_provider_subscription_key UNIQUE (provider, provider_subscription_id),
  CONSTRAINT subscriptions_provider_subscription_entity_key UNIQUE (provider, provider_subscription_id, entity_id),
  CONSTRAINT subscriptions_id_entity_key UNIQUE (id, entity_id),
  CONSTRAINT subscriptions_status_check CHECK (status IN (
    'incomplete', 'incomplete_expired', 'trialing', 'active', 'past_due', 'canceled', 'unpaid', 'paused')),
  CONSTRAINT subscriptions_current_check CHECK (NOT (is_current AND status IN ('canceled', 'incomplete_expired')))
);
-- WHK-11.
CREATE UNIQUE INDEX subscriptions_one_current_key ON billing.subscriptions (entity_id) WHERE is_current;
CREATE INDEX subscriptions_entity_idx ON billing.subscriptions (entity_id);

CREATE TABLE billing.subscription_items (
  id uuid NOT NULL,
  entity_id uuid NOT NULL,
  subscription_id uuid NOT NULL,
  provider text NOT NULL,
  provider_item_id text NOT NULL,
  provider_price_id text NOT NULL,
  -- Null for metered prices.
  quantity bigint,
  -- Periods stand per item since basil; an older shape's period is copied to each.
  current_period_start timestamptz,
  current_period_end timestamptz,
  created_at timestamptz NOT NULL DEFAULT billing.now(),
  updated_at timestamptz NOT NULL DEFAULT billing.now(),
  CONSTRAINT subscription_items_pkey PRIMARY KEY (id),
  CONSTRAINT subscription_items_subscription_fkey FOREIGN KEY (subscription_id, entity_id)
    REFERENCES billing.subscriptions (id, entity_id),
  CONSTRAINT subscription_items_provider_item_key UNIQUE (provider, provider_item_id)
);
CREATE INDEX subscription_items_subscription_idx ON billing.subscription_items (subscription_id);

CREATE TABLE billing.invoices (
  id uuid NOT NULL,
  env text NOT NULL,
  entity_id uuid NOT NULL,
  provider text NOT NULL,
  provider_invoice_id text NOT NULL,
  provider_customer_id text NOT NULL,
  -- Null for a one-off.
  provider_subscription_id text,
  number text,
  status text NOT NULL,
  currency text NOT NULL,
  total_minor bigint NOT NULL,
  amount_due_minor bigint NOT NULL,
  amount_paid_minor bigint NOT NULL,
  amount_remaining_minor bigint NOT NULL,
  attempt_count integer NOT NULL DEFAULT 0,
  billing_reason text,
  period_start timestamptz,
  period_end timestamptz,
  hosted_invoice_url text,
  provider_created_at timestamptz NOT NULL,
  provider_updated_at timestamptz NOT NULL,
  provider_event_id text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT billing.now(),
  updated_at timestamptz NOT NULL DEFAULT billing.now(),
  CONSTRAINT invoices_pkey PRIMARY KEY (id),
  CONSTRAINT invoices_entity_fkey FOREIGN KEY (entity_id) REFERENCES billing.entities (id),
  CONSTRAINT invoices_customer_fkey FOREIGN KEY (provider, provider_customer_id, entity_id)
    REFERENCES billing.entity_customers (provider, provider_customer_id, entity_id),
  CONSTRAINT invoices_provider_invoice_key UNIQUE (provider, provider_invoice_id),
  CONSTRAINT invoices_status_check CHECK (status IN ('draft', 'open', 'paid', 'uncollectible', 'void')),
  CONSTRAINT invoices_currency_check CHECK (currency ~ '^[a-z]{3}$')
);
CREATE INDEX invoices_entity_idx ON billing.invoices (entity_id, provider_created_at);

-- WHK-8: each live subscription beside the canonical one, for a worker or an operator to end.
CREATE TABLE billing.remediations (
  id uuid NOT NULL,
  env text NOT NULL,
  entity_id uuid NOT NULL,
  provider text NOT NULL,
  kind text NOT NULL,
  provider_subscription_id text NOT NULL,
  canonical_subscription_id uuid,
  -- The rule that chose the canonical one: dup_canonical_v1.
  algorithm text NOT NULL,
  status text NOT NULL DEFAULT 'ready',
  run_after timestamptz NOT NULL DEFAULT billing.now(),
  attempts integer NOT NULL DEFAULT 0,
  lease_owner text,
  lease_until timestamptz,
  lease_version bigint NOT NULL DEFAULT 0,
  last_error text,
  created_at timestamptz NOT NULL DEFAULT billing.now(),
  finished_at timestamptz,
  CONSTRAINT remediations_pkey PRIMARY KEY (id),
  CONSTRAINT remediations_entity_fkey FOREIGN KEY (entity_id) REFERENCES billing.entities (id),
  CONSTRAINT remediations_canonical_fkey FOREIGN KEY (canonical_subscription_id, entity_id)
    REFERENCES billing.subscriptions (id, entity_id) ON DELETE SET NULL (canonical_subscription_id),
  CONSTRAINT remediations_subscription_key UNIQUE (provider, kind, provider_subscription_id),
  CONSTRAINT remediations_kind_check CHECK (kind IN ('cancel_duplicate_subscription')),
  CONSTRAINT remediations_status_check CHECK (status IN ('ready', 'leased', 'done', 'dead')),
  CONSTRAINT remediations_finished_check CHECK ((status IN ('done', 'dead')) = (finished_at IS NOT NULL))
);
CREATE INDEX remediations_entity_idx ON billing.remediations (entity_id);
