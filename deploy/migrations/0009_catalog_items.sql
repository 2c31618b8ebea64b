-- One-off items (CAT-4): what is bought once (credits, a setup fee), and what it grants (ENT-9). Written by checkout only.

CREATE TABLE billing.catalog_items (
  id uuid NOT NULL,
  code text NOT NULL,
  name text NOT NULL,
  applies_to text NOT NULL,
  provider text NOT NULL,
  provider_product_id text NOT NULL,
  provider_price_id text NOT NULL,
  currency text NOT NULL,
  unit_amount_minor bigint NOT NULL,
  active boolean NOT NULL DEFAULT true,
  -- Hex SHA-256 of everything commercial in the item: it never changes (CAT-1).
  content_sha256 text NOT NULL,
  -- Published with this.
  created_at timestamptz NOT NULL DEFAULT billing.now(),
  updated_at timestamptz NOT NULL DEFAULT billing.now(),
  CONSTRAINT catalog_items_pkey PRIMARY KEY (id),
  CONSTRAINT catalog_items_code_key UNIQUE (code),
  CONSTRAINT catalog_items_provider_price_key UNIQUE (provider, provider_price_id),
  CONSTRAINT catalog_items_applies_to_check CHECK (applies_to IN ('any', 'workspace', 'user', 'organization', 'external')),
  CONSTRAINT catalog_items_currency_check CHECK (currency ~ '^[a-z]{3}$'),
  CONSTRAINT catalog_items_amount_check CHECK (unit_amount_minor > 0)
);

CREATE TABLE billing.catalog_item_grants (
  item_id uuid NOT NULL,
  key text NOT NULL,
  schema_version text NOT NULL,
  payload jsonb NOT NULL,
  -- How long it is had, from the payment on; null: for good.
  duration_seconds bigint,
  CONSTRAINT catalog_item_grants_pkey PRIMARY KEY (item_id, key),
  CONSTRAINT catalog_item_grants_item_fkey FOREIGN KEY (item_id) REFERENCES billing.catalog_items (id),
  CONSTRAINT catalog_item_grants_schema_check CHECK (
    schema_version IN ('entitlement.boolean.v1', 'entitlement.quota.v1', 'entitlement.string_list.v1')),
  CONSTRAINT catalog_item_grants_duration_check CHECK (duration_seconds BETWEEN 1 AND 315360000)
);

GRANT SELECT ON billing.catalog_items, billing.catalog_item_grants TO
  checkout_tenant, checkout_system, webhook_tenant, webhook_system,
  entitlements_tenant, entitlements_system, reconciler_tenant, reconciler_system;
GRANT INSERT ON billing.catalog_items, billing.catalog_item_grants TO checkout_system;
GRANT UPDATE (name, active, updated_at) ON billing.catalog_items TO checkout_system;

-- CAT-1 for plans as for items: what is commercial can't be changed, whatever the code believes.
REVOKE UPDATE ON billing.plans, billing.plan_prices FROM checkout_system;
GRANT UPDATE (name, active, is_default, updated_at) ON billing.plans TO checkout_system;
