-- What an entity's snapshot shows beside its subscription and its invoices (PRT-5, PRT-7): customers, payments and payment
-- methods as the provider has them. Written by webhook only.

-- A customer of ours at the provider (WHK-12). No name, address or email: what is needed is whether it lives, and how it
-- pays by default.
CREATE TABLE billing.customers (
  id uuid NOT NULL,
  env text NOT NULL,
  entity_id uuid NOT NULL,
  provider text NOT NULL,
  provider_customer_id text NOT NULL,
  -- The provider's id of the method that new invoices are charged to. No foreign key: the customer may speak of a method
  -- before the method itself is projected. Here and not as a flag of the method, because an event of a customer writes no
  -- methods (WHK-3).
  provider_default_payment_method_id text,
  deleted_at timestamptz,
  -- The provider time and event that this row was last written from (WHK-5).
  provider_updated_at timestamptz NOT NULL,
  provider_event_id text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT billing.now(),
  updated_at timestamptz NOT NULL DEFAULT billing.now(),
  CONSTRAINT customers_pkey PRIMARY KEY (id),
  CONSTRAINT customers_entity_fkey FOREIGN KEY (entity_id) REFERENCES billing.entities (id),
  -- With the entity, because a foreign key sees through row-level security: a customer stays with the entity it's linked to.
  CONSTRAINT customers_link_fkey FOREIGN KEY (provider, provider_customer_id, entity_id)
    REFERENCES billing.entity_customers (provider, provider_customer_id, entity_id),
  CONSTRAINT customers_provider_customer_key UNIQUE (provider, provider_customer_id),
  CONSTRAINT customers_deleted_check CHECK (deleted_at IS NULL OR provider_default_payment_method_id IS NULL)
);
CREATE INDEX customers_entity_idx ON billing.customers (entity_id);

-- A payment: one row for what the buyer pays once, however often it was tried. The payment itself, its charge and a
-- dispute of it are objects of their own at the provider, each with its own order of versions; whichever comes first
-- makes the row.
ALTER TABLE billing.invoices ADD CONSTRAINT invoices_id_entity_key UNIQUE (id, entity_id);
CREATE TABLE billing.payments (
  id uuid NOT NULL,
  env text NOT NULL,
  entity_id uuid NOT NULL,
  provider text NOT NULL,
  provider_payment_id text NOT NULL,
  -- Of the latest attempt: refunds and disputes name the charge.
  provider_charge_id text,
  -- Null for a guest, and for a customer that isn't linked to the entity.
  provider_customer_id text,
  -- The invoice that it pays, by the provider's word, which may come before the invoice; and our row of it, once there.
  provider_invoice_id text,
  invoice_id uuid,
  status text NOT NULL,
  currency text NOT NULL,
  amount_minor bigint NOT NULL,
  amount_refunded_minor bigint NOT NULL DEFAULT 0,
  -- The provider's code of why the last attempt failed; no free text.
  failure_code text,
  dispute_status text,
  disputed_at timestamptz,
  -- For what one of our operations sold, from our own stored correlation (WHK-4); the item and how many, where it sold a
  -- one-off item of the catalog (ENT-9).
  operation_key text,
  item_code text,
  item_quantity bigint,
  provider_created_at timestamptz NOT NULL,
  succeeded_at timestamptz,
  canceled_at timestamptz,
  -- The provider time and event that the payment, its charge's part (refunds) and its dispute were last written from
  -- (WHK-5). Null as long as the row knows nothing from there.
  provider_updated_at timestamptz,
  provider_event_id text,
  charge_updated_at timestamptz,
  charge_event_id text,
  dispute_updated_at timestamptz,
  dispute_event_id text,
  created_at timestamptz NOT NULL DEFAULT billing.now(),
  updated_at timestamptz NOT NULL DEFAULT billing.now(),
  CONSTRAINT payments_pkey PRIMARY KEY (id),
  CONSTRAINT payments_entity_fkey FOREIGN KEY (entity_id) REFERENCES billing.entities (id),
  CONSTRAINT payments_customer_fkey FOREIGN KEY (provider, provider_customer_id, entity_id)
    REFERENCES billing.entity_customers (provider, provider_customer_id, entity_id),
  CONSTRAINT payments_invoice_fkey FOREIGN KEY (invoice_id, entity_id)
    REFERENCES billing.invoices (id, entity_id) ON DELETE SET NULL (invoice_id),
  -- What was sold can be granted.
  CONSTRAINT payments_item_fkey FOREIGN KEY (item_code) REFERENCES billing.catalog_items (code),
  CONSTRAINT payments_provider_payment_key UNIQUE (provider, provider_payment_id),
  CONSTRAINT payments_provider_charge_key UNIQUE (provider, provider_charge_id),
  CONSTRAINT payments_invoice_check CHECK (invoice_id IS NULL OR provider_invoice_id IS NOT NULL),
  CONSTRAINT payments_status_check CHECK (
    status IN ('pending', 'requires_action', 'processing', 'succeeded', 'failed', 'canceled')),
  CONSTRAINT payments_currency_check CHECK (currency ~ '^[a-z]{3}$'),
  CONSTRAINT payments_amount_check CHECK (amount_minor >= 0 AND amount_refunded_minor BETWEEN 0 AND amount_minor),
  CONSTRAINT payments_succeeded_check CHECK ((status = 'succeeded') = (succeeded_at IS NOT NULL)),
  CONSTRAINT payments_canceled_check CHECK ((status = 'canceled') = (canceled_at IS NOT NULL)),
  CONSTRAINT payments_failure_check CHECK (failure_code IS NULL OR status IN ('failed', 'canceled')),
  CONSTRAINT payments_dispute_status_check CHECK (dispute_status IN ('open', 'won', 'lost', 'closed')),
  CONSTRAINT payments_disputed_check CHECK ((dispute_status IS NULL) = (disputed_at IS NULL)),
  CONSTRAINT payments_item_check CHECK (
    (item_code IS NULL) = (item_quantity IS NULL) AND (item_code IS NULL OR operation_key IS NOT NULL)),
  CONSTRAINT payments_item_quantity_check CHECK (item_quantity >= 1),
  CONSTRAINT payments_version_check CHECK ((provider_updated_at IS NULL) = (provider_event_id IS NULL)),
  CONSTRAINT payments_charge_version_check CHECK ((charge_updated_at IS NULL) = (charge_event_id IS NULL)),
  CONSTRAINT payments_dispute_version_check CHECK ((dispute_updated_at IS NULL) = (dispute_event_id IS NULL))
);
CREATE INDEX payments_page_idx ON billing.payments (entity_id, provider_created_at DESC, id DESC);
CREATE INDEX payments_provider_invoice_idx ON billing.payments (provider, provider_invoice_id)
  WHERE provider_invoice_id IS NOT NULL;
CREATE INDEX payments_invoice_idx ON billing.payments (invoice_id) WHERE invoice_id IS NOT NULL;
CREATE INDEX payments_item_idx ON billing.payments (entity_id) WHERE item_code IS NOT NULL;

-- How a customer can pay (PRT-5). Brand, last four, expiry, wallet and type: the words begin with a letter, and no column
-- takes the digits of a card number (PRT-6).
CREATE TABLE billing.payment_methods (
  id uuid NOT NULL,
  env text NOT NULL,
  entity_id uuid NOT NULL,
  provider text NOT NULL,
  provider_payment_method_id text NOT NULL,
  -- The customer that it is attached to, or was last.
  provider_customer_id text NOT NULL,
  type text NOT NULL,
  brand text,
  last4 text,
  exp_month integer,
  exp_year integer,
  wallet text,
  provider_created_at timestamptz NOT NULL,
  detached_at timestamptz,
  -- The provider time and event that this row was last written from (WHK-5).
  provider_updated_at timestamptz NOT NULL,
  provider_event_id text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT billing.now(),
  updated_at timestamptz NOT NULL DEFAULT billing.now(),
  CONSTRAINT payment_methods_pkey PRIMARY KEY (id),
  CONSTRAINT payment_methods_entity_fkey FOREIGN KEY (entity_id) REFERENCES billing.entities (id),
  CONSTRAINT payment_methods_customer_fkey FOREIGN KEY (provider, provider_customer_id, entity_id)
    REFERENCES billing.entity_customers (provider, provider_customer_id, entity_id),
  CONSTRAINT payment_methods_provider_method_key UNIQUE (provider, provider_payment_method_id),
  CONSTRAINT payment_methods_type_check CHECK (type ~ '^[a-z][a-z0-9_]{0,39}$'),
  CONSTRAINT payment_methods_brand_check CHECK (brand ~ '^[a-z][a-z0-9_]{0,39}$'),
  CONSTRAINT payment_methods_wallet_check CHECK (wallet ~ '^[a-z][a-z0-9_]{0,39}$'),
  CONSTRAINT payment_methods_last4_check CHECK (last4 ~ '^[0-9A-Za-z]{4}$'),
  CONSTRAINT payment_methods_expiry_check CHECK (
    (exp_month IS NULL) = (exp_year IS NULL) AND exp_month BETWEEN 1 AND 12 AND exp_year BETWEEN 1970 AND 9999)
);
-- What is shown is what can be paid with.
CREATE INDEX payment_methods_page_idx ON billing.payment_methods (entity_id, provider_created_at DESC, id DESC)
  WHERE detached_at IS NULL;

-- Invoices are paged by the same key.
DROP INDEX billing.invoices_entity_idx;
CREATE INDEX invoices_page_idx ON billing.invoices (entity_id, provider_created_at DESC, id DESC);

-- Row-level security as in 0007.
DO $rls$
DECLARE
  name text;
  tenants constant text := 'checkout_tenant, webhook_tenant, entitlements_tenant, reconciler_tenant';
  systems constant text := 'checkout_system, webhook_system, entitlements_system, reconciler_system';
BEGIN
  FOREACH name IN ARRAY ARRAY['customers', 'payments', 'payment_methods'] LOOP
    EXECUTE format('ALTER TABLE billing.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE billing.%I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY tenant ON billing.%I TO %s USING (entity_id = billing.current_entity()) '
                   'WITH CHECK (entity_id = billing.current_entity())', name, tenants);
    EXECUTE format('CREATE POLICY system ON billing.%I TO %s USING (true) WITH CHECK (true)', name, systems);
  END LOOP;
END
$rls$;

GRANT SELECT, INSERT, UPDATE ON billing.customers, billing.payments, billing.payment_methods
  TO webhook_tenant, webhook_system;
GRANT SELECT ON billing.customers, billing.payments, billing.payment_methods TO checkout_tenant, checkout_system;
-- A paid one-off grants (ENT-9).
GRANT SELECT ON billing.payments TO entitlements_tenant, entitlements_system;
-- What it compares with the provider.
GRANT SELECT ON billing.customers, billing.payments, billing.payment_methods TO reconciler_system;
