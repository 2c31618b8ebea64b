-- What an entity may do (ENT). Written by entitlements only.

CREATE TABLE billing.entitlements (
  entity_id uuid NOT NULL,
  env text NOT NULL,
  -- The entity's revision that this was computed from; a writer replaces only an older one (ENT-2).
  revision bigint NOT NULL,
  catalog_revision bigint NOT NULL,
  plan_code text,
  status text NOT NULL,
  current_period_end timestamptz,
  comped boolean NOT NULL DEFAULT false,
  -- [{from, until, status, plan_code, entitlements: {key: {schema, payload, source}}}], in order, without gaps.
  segments jsonb NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT billing.now(),
  CONSTRAINT entitlements_pkey PRIMARY KEY (entity_id),
  CONSTRAINT entitlements_entity_fkey FOREIGN KEY (entity_id) REFERENCES billing.entities (id),
  CONSTRAINT entitlements_status_check CHECK (status IN (
    'free', 'trialing', 'active', 'past_due', 'grace', 'paused', 'unpaid', 'canceled', 'incomplete', 'incomplete_expired',
    'comped'))
);
