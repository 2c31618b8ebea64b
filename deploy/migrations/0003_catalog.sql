-- The catalog (CAT): what is sold, for how much, and what it grants. Written by checkout only.

CREATE TABLE billing.plans (
  id uuid NOT NULL,
  code text NOT NULL,
  family_code text NOT NULL,
  version integer NOT NULL,
  name text NOT NULL,
  kind text NOT NULL,
  applies_to text NOT NULL,
  pricing_model text NOT NULL,
  trial_days integer NOT NULL DEFAULT 0,
  automatic_tax boolean NOT NULL DEFAULT false,
  allow_promotion_codes boolean NOT NULL DEFAULT false,
  seats_min bigint NOT NULL DEFAULT 1,
  seats_max bigint NOT NULL DEFAULT 1,
  -- The plan of entities without a paid one; at most one.
  is_default boolean NOT NULL DEFAULT false,
  active boolean NOT NULL DEFAULT true,
  -- Hex SHA-256 of everything commercial in the published version: it never changes (CAT-1).
  content_sha256 text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT billing.now(),
  updated_at timestamptz NOT NULL DEFAULT billing.now(),
  CONSTRAINT plans_pkey PRIMARY KEY (id),
  CONSTRAINT plans_code_key UNIQUE (code),
  CONSTRAINT plans_family_version_key UNIQUE (family_code, version),
  CONSTRAINT plans_kind_check CHECK (kind IN ('base', 'add_on')),
  CONSTRAINT plans_applies_to_check CHECK (applies_to IN ('any', 'workspace', 'user', 'organization', 'external')),
  CONSTRAINT plans_pricing_model_check CHECK (pricing_model IN ('flat', 'per_seat', 'usage', 'hybrid')),
  CONSTRAINT plans_trial_check CHECK (trial_days BETWEEN 0 AND 730),
  CONSTRAINT plans_seats_check CHECK (seats_min >= 1 AND seats_max >= seats_min)
);
CREATE UNIQUE INDEX plans_one_default_key ON billing.plans ((is_default)) WHERE is_default AND active;

CREATE TABLE billing.plan_prices (
  id uuid NOT NULL,
  plan_id uuid NOT NULL,
  provider text NOT NULL,
  component text NOT NULL,
  usage_type text NOT NULL,
  interval text NOT NULL,
  interval_count integer NOT NULL,
  currency text NOT NULL,
  unit_amount_minor bigint NOT NULL,
  provider_product_id text NOT NULL,
  provider_price_id text NOT NULL,
  active boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT billing.now(),
  CONSTRAINT plan_prices_pkey PRIMARY KEY (id),
  CONSTRAINT plan_prices_plan_fkey FOREIGN KEY (plan_id) REFERENCES billing.plans (id),
  CONSTRAINT plan_prices_provider_price_key UNIQUE (provider, provider_price_id),
  CONSTRAINT plan_prices_component_check CHECK (component IN ('base', 'seat', 'metered', 'add_on')),
  CONSTRAINT plan_prices_usage_type_check CHECK (usage_type IN ('licensed', 'metered')),
  CONSTRAINT plan_prices_interval_check CHECK (interval IN ('day', 'week', 'month', 'year') AND interval_count BETWEEN 1 AND 36),
  CONSTRAINT plan_prices_currency_check CHECK (currency ~ '^[a-z]{3}$'),
  CONSTRAINT plan_prices_amount_check CHECK (unit_amount_minor >= 0)
);
-- CAT-2: at most one sellable base price for a plan and provider, whatever the code believes.
CREATE UNIQUE INDEX plan_prices_one_sellable_base_key
  ON billing.plan_prices (plan_id, provider) WHERE active AND component = 'base' AND usage_type = 'licensed';

CREATE TABLE billing.plan_entitlements (
  plan_id uuid NOT NULL,
  key text NOT NULL,
  schema_version text NOT NULL,
  payload jsonb NOT NULL,
  CONSTRAINT plan_entitlements_pkey PRIMARY KEY (plan_id, key),
  CONSTRAINT plan_entitlements_plan_fkey FOREIGN KEY (plan_id) REFERENCES billing.plans (id),
  CONSTRAINT plan_entitlements_schema_check CHECK (
    schema_version IN ('entitlement.boolean.v1', 'entitlement.quota.v1', 'entitlement.string_list.v1'))
);

-- Rises with each applied change of the catalog, so that readers know when to load it again.
CREATE TABLE billing.catalog_state (
  singleton boolean NOT NULL DEFAULT true,
  revision bigint NOT NULL DEFAULT 1,
  updated_at timestamptz NOT NULL DEFAULT billing.now(),
  CONSTRAINT catalog_state_pkey PRIMARY KEY (singleton),
  CONSTRAINT catalog_state_singleton_check CHECK (singleton)
);
INSERT INTO billing.catalog_state (singleton) VALUES (true);
