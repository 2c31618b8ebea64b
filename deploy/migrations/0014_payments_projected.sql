-- Payments as the webhook daemon projects them (WHK-12): one row for each object of the provider's, each with its own order of
-- versions (WHK-5), and nothing stored that a reader can derive. Refunds, disputes and credit notes get rows of their own.

-- What a payment's invoice is to us is found by the provider's id of it, whichever of the two came first; a dispute is a row.
ALTER TABLE billing.payments
  DROP COLUMN invoice_id,
  DROP COLUMN dispute_status,
  DROP COLUMN disputed_at,
  DROP COLUMN dispute_updated_at,
  DROP COLUMN dispute_event_id,
  -- Of the latest attempt, by its time at the provider and then its id.
  ADD COLUMN charge_status text,
  ADD COLUMN charge_created_at timestamptz,
  -- The provider dates no success: the charge that succeeded does, and it may come later.
  DROP CONSTRAINT payments_succeeded_check,
  ADD CONSTRAINT payments_succeeded_check CHECK (succeeded_at IS NULL OR status = 'succeeded'),
  DROP CONSTRAINT payments_canceled_check,
  ADD CONSTRAINT payments_canceled_check CHECK (canceled_at IS NULL OR status = 'canceled'),
  ADD CONSTRAINT payments_charge_status_check CHECK (charge_status IN ('pending', 'succeeded', 'failed')),
  ADD CONSTRAINT payments_charge_check CHECK (
    num_nulls(provider_charge_id, charge_status, charge_created_at, charge_updated_at, charge_event_id) IN (0, 5)),
  ADD CONSTRAINT payments_provider_payment_entity_key UNIQUE (provider, provider_payment_id, entity_id);
ALTER TABLE billing.invoices
  ADD CONSTRAINT invoices_provider_invoice_entity_key UNIQUE (provider, provider_invoice_id, entity_id);

CREATE TABLE billing.refunds (
  id uuid NOT NULL,
  env text NOT NULL,
  entity_id uuid NOT NULL,
  provider text NOT NULL,
  provider_refund_id text NOT NULL,
  provider_payment_id text NOT NULL,
  status text NOT NULL,
  currency text NOT NULL,
  amount_minor bigint NOT NULL,
  failure_code text,
  provider_created_at timestamptz NOT NULL,
  -- The provider time and event that this row was last written from (WHK-5).
  provider_updated_at timestamptz NOT NULL,
  provider_event_id text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT billing.now(),
  updated_at timestamptz NOT NULL DEFAULT billing.now(),
  CONSTRAINT refunds_pkey PRIMARY KEY (id),
  CONSTRAINT refunds_entity_fkey FOREIGN KEY (entity_id) REFERENCES billing.entities (id),
  -- With the entity, because a foreign key sees through row-level security.
  CONSTRAINT refunds_payment_fkey FOREIGN KEY (provider, provider_payment_id, entity_id)
    REFERENCES billing.payments (provider, provider_payment_id, entity_id),
  CONSTRAINT refunds_provider_refund_key UNIQUE (provider, provider_refund_id),
  CONSTRAINT refunds_status_check CHECK (status IN ('pending', 'requires_action', 'succeeded', 'failed', 'canceled')),
  CONSTRAINT refunds_currency_check CHECK (currency ~ '^[a-z]{3}$'),
  CONSTRAINT refunds_amount_check CHECK (amount_minor >= 0)
);
CREATE INDEX refunds_payment_idx ON billing.refunds (provider, provider_payment_id);
CREATE INDEX refunds_entity_idx ON billing.refunds (entity_id);

CREATE TABLE billing.disputes (
  id uuid NOT NULL,
  env text NOT NULL,
  entity_id uuid NOT NULL,
  provider text NOT NULL,
  provider_dispute_id text NOT NULL,
  provider_payment_id text NOT NULL,
  status text NOT NULL,
  currency text NOT NULL,
  amount_minor bigint NOT NULL,
  -- The provider's word for why.
  cause text,
  provider_created_at timestamptz NOT NULL,
  provider_updated_at timestamptz NOT NULL,
  provider_event_id text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT billing.now(),
  updated_at timestamptz NOT NULL DEFAULT billing.now(),
  CONSTRAINT disputes_pkey PRIMARY KEY (id),
  CONSTRAINT disputes_entity_fkey FOREIGN KEY (entity_id) REFERENCES billing.entities (id),
  CONSTRAINT disputes_payment_fkey FOREIGN KEY (provider, provider_payment_id, entity_id)
    REFERENCES billing.payments (provider, provider_payment_id, entity_id),
  CONSTRAINT disputes_provider_dispute_key UNIQUE (provider, provider_dispute_id),
  CONSTRAINT disputes_status_check CHECK (status IN ('open', 'won', 'lost', 'closed')),
  CONSTRAINT disputes_currency_check CHECK (currency ~ '^[a-z]{3}$'),
  CONSTRAINT disputes_amount_check CHECK (amount_minor >= 0)
);
CREATE INDEX disputes_payment_idx ON billing.disputes (provider, provider_payment_id);
CREATE INDEX disputes_entity_idx ON billing.disputes (entity_id);

CREATE TABLE billing.credit_notes (
  id uuid NOT NULL,
  env text NOT NULL,
  entity_id uuid NOT NULL,
  provider text NOT NULL,
  provider_credit_note_id text NOT NULL,
  provider_invoice_id text NOT NULL,
  number text,
  status text NOT NULL,
  currency text NOT NULL,
  total_minor bigint NOT NULL,
  provider_created_at timestamptz NOT NULL,
  voided_at timestamptz,
  provider_updated_at timestamptz NOT NULL,
  provider_event_id text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT billing.now(),
  updated_at timestamptz NOT NULL DEFAULT billing.now(),
  CONSTRAINT credit_notes_pkey PRIMARY KEY (id),
  CONSTRAINT credit_notes_entity_fkey FOREIGN KEY (entity_id) REFERENCES billing.entities (id),
  CONSTRAINT credit_notes_invoice_fkey FOREIGN KEY (provider, provider_invoice_id, entity_id)
    REFERENCES billing.invoices (provider, provider_invoice_id, entity_id),
  CONSTRAINT credit_notes_provider_credit_note_key UNIQUE (provider, provider_credit_note_id),
  CONSTRAINT credit_notes_status_check CHECK (status IN ('issued', 'void')),
  CONSTRAINT credit_notes_currency_check CHECK (currency ~ '^[a-z]{3}$')
);
CREATE INDEX credit_notes_invoice_idx ON billing.credit_notes (provider, provider_invoice_id);
CREATE INDEX credit_notes_entity_idx ON billing.credit_notes (entity_id);

-- A parked event may wait for another object of the provider's to be projected: these are its ids. Whoever inserts one of them
-- makes the event due.
ALTER TABLE billing.webhook_events ADD COLUMN waits_for text[];
CREATE INDEX webhook_events_waits_for_idx ON billing.webhook_events USING gin (waits_for)
  WHERE status = 'parked' AND waits_for IS NOT NULL;
DROP INDEX billing.webhook_events_open_idx;
CREATE INDEX webhook_events_due_idx ON billing.webhook_events (run_after)
  WHERE status IN ('pending', 'failed', 'parked') AND run_after IS NOT NULL;

-- Row-level security as in 0007.
DO $rls$
DECLARE
  name text;
  tenants constant text := 'checkout_tenant, webhook_tenant, entitlements_tenant, reconciler_tenant';
  systems constant text := 'checkout_system, webhook_system, entitlements_system, reconciler_system';
BEGIN
  FOREACH name IN ARRAY ARRAY['refunds', 'disputes', 'credit_notes'] LOOP
    EXECUTE format('ALTER TABLE billing.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE billing.%I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY tenant ON billing.%I TO %s USING (entity_id = billing.current_entity()) '
                   'WITH CHECK (entity_id = billing.current_entity())', name, tenants);
    EXECUTE format('CREATE POLICY system ON billing.%I TO %s USING (true) WITH CHECK (true)', name, systems);
  END LOOP;
END
$rls$;

GRANT SELECT, INSERT, UPDATE ON billing.refunds, billing.disputes, billing.credit_notes TO webhook_tenant, webhook_system;
GRANT SELECT ON billing.refunds, billing.disputes, billing.credit_notes TO checkout_tenant, checkout_system;
-- A full refund takes back what was granted (ENT-9).
GRANT SELECT ON billing.refunds TO entitlements_tenant, entitlements_system;
GRANT SELECT ON billing.refunds, billing.disputes, billing.credit_notes TO reconciler_system;
-- A deleted customer ends its link (WHK-12); checkout makes links, webhook ends them.
GRANT UPDATE (ended_at) ON billing.entity_customers TO webhook_system;
