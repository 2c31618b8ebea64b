-- Idempotent writes and checkout (IDM, CHK). Written by checkout; checkout_sessions also by webhook, for what the provider reports.

-- The link between an entity and its customer at the provider.
CREATE TABLE billing.entity_customers (
  id uuid NOT NULL,
  entity_id uuid NOT NULL,
  provider text NOT NULL,
  provider_customer_id text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT billing.now(),
  ended_at timestamptz,
  CONSTRAINT entity_customers_pkey PRIMARY KEY (id),
  CONSTRAINT entity_customers_entity_fkey FOREIGN KEY (entity_id) REFERENCES billing.entities (id),
  CONSTRAINT entity_customers_provider_customer_key UNIQUE (provider, provider_customer_id),
  CONSTRAINT entity_customers_customer_entity_key UNIQUE (provider, provider_customer_id, entity_id)
);
CREATE UNIQUE INDEX entity_customers_one_live_key ON billing.entity_customers (entity_id, provider) WHERE ended_at IS NULL;

CREATE TABLE billing.request_idempotency (
  id uuid NOT NULL,
  env text NOT NULL,
  entity_id uuid NOT NULL,
  action text NOT NULL,
  client_key text NOT NULL,
  -- Hex SHA-256 of canonical_request (IDM-2).
  fingerprint text NOT NULL,
  canonical_request text NOT NULL,
  operation_key text NOT NULL,
  actor text NOT NULL,
  status text NOT NULL DEFAULT 'pending',
  lease_owner text,
  lease_until timestamptz,
  lease_version bigint NOT NULL DEFAULT 1,
  recovery_attempts integer NOT NULL DEFAULT 0,
  failure_code text,
  -- The recorded answer, replayed as it is: canonical JSON of our response, never the provider's.
  response text,
  provider text NOT NULL,
  plan_code text,
  plan_version integer,
  provider_idempotency_replay_deadline_at timestamptz,
  provider_checkout_session_expires_at_upper_bound timestamptz,
  created_at timestamptz NOT NULL DEFAULT billing.now(),
  updated_at timestamptz NOT NULL DEFAULT billing.now(),
  completed_at timestamptz,
  CONSTRAINT request_idempotency_pkey PRIMARY KEY (id),
  CONSTRAINT request_idempotency_id_entity_key UNIQUE (id, entity_id),
  CONSTRAINT request_idempotency_entity_fkey FOREIGN KEY (entity_id) REFERENCES billing.entities (id),
  CONSTRAINT request_idempotency_owner_action_key UNIQUE (entity_id, action, client_key),
  CONSTRAINT request_idempotency_operation_key_key UNIQUE (operation_key),
  CONSTRAINT request_idempotency_client_key_check CHECK (length(client_key) BETWEEN 1 AND 255),
  CONSTRAINT request_idempotency_status_check CHECK (status IN ('pending', 'succeeded', 'failed', 'expired')),
  CONSTRAINT request_idempotency_completed_check CHECK ((status = 'pending') = (completed_at IS NULL)),
  CONSTRAINT request_idempotency_failure_check CHECK ((status IN ('failed', 'expired')) = (failure_code IS NOT NULL)),
  CONSTRAINT request_idempotency_response_check CHECK ((status = 'succeeded') = (response IS NOT NULL))
);
-- CHK-2: one pending checkout per entity, whatever the keys.
CREATE UNIQUE INDEX request_idempotency_one_pending_checkout_key
  ON billing.request_idempotency (entity_id) WHERE action = 'checkout' AND status = 'pending';
CREATE INDEX request_idempotency_pending_idx ON billing.request_idempotency (lease_until) WHERE status = 'pending';

-- One row a provider call, written before the call (IDM-4). A step is owned by an operation, or by the entity itself (its
-- customer, CHK-10).
CREATE TABLE billing.provider_steps (
  id uuid NOT NULL,
  entity_id uuid NOT NULL,
  operation_id uuid,
  ordinal integer NOT NULL,
  -- create_customer, create_checkout_session, …
  purpose text NOT NULL,
  provider text NOT NULL,
  provider_idempotency_key text NOT NULL,
  -- Canonical JSON of the parameters, exactly what every sending holds.
  params text NOT NULL,
  params_sha256 text NOT NULL,
  params_schema text NOT NULL,
  provider_api_version text NOT NULL,
  provider_account_id text NOT NULL,
  client_name text NOT NULL,
  client_version text NOT NULL,
  frozen_at timestamptz NOT NULL DEFAULT billing.now(),
  replay_deadline_at timestamptz NOT NULL,
  outcome text NOT NULL DEFAULT 'pending',
  -- The id of the object that the step made.
  provider_object_id text,
  -- What the provider said when it refused: its type, code and HTTP status, no free text.
  error_detail text,
  completed_at timestamptz,
  CONSTRAINT provider_steps_pkey PRIMARY KEY (id),
  CONSTRAINT provider_steps_entity_fkey FOREIGN KEY (entity_id) REFERENCES billing.entities (id),
  CONSTRAINT provider_steps_operation_fkey FOREIGN KEY (operation_id, entity_id)
    REFERENCES billing.request_idempotency (id, entity_id),
  CONSTRAINT provider_steps_provider_key_key UNIQUE (provider, provider_idempotency_key),
  CONSTRAINT provider_steps_outcome_check CHECK (outcome IN ('pending', 'succeeded', 'rejected', 'superseded')),
  CONSTRAINT provider_steps_completed_check CHECK ((outcome = 'pending') = (completed_at IS NULL)),
  CONSTRAINT provider_steps_object_check CHECK (outcome <> 'succeeded' OR provider_object_id IS NOT NULL)
);
CREATE UNIQUE INDEX provider_steps_operation_ordinal_key ON billing.provider_steps (operation_id, ordinal)
  WHERE operation_id IS NOT NULL;
-- CHK-10: at most one customer creation in flight for an entity.
CREATE UNIQUE INDEX provider_steps_one_pending_customer_key ON billing.provider_steps (entity_id, provider)
  WHERE operation_id IS NULL AND outcome = 'pending';
CREATE INDEX provider_steps_entity_owned_idx ON billing.provider_steps (entity_id) WHERE operation_id IS NULL;

CREATE TABLE billing.checkout_sessions (
  id uuid NOT NULL,
  env text NOT NULL,
  entity_id uuid NOT NULL,
  operation_id uuid,
  operation_key text NOT NULL,
  provider text NOT NULL,
  -- Null for a hold: the session may live at the provider without our knowing its id.
  provider_session_id text,
  provider_customer_id text,
  provider_subscription_id text,
  mode text NOT NULL DEFAULT 'subscription',
  status text NOT NULL,
  plan_code text,
  plan_version integer,
  url text,
  expires_at timestamptz NOT NULL,
  -- Set when it was paid although it had ended here (CHK-3).
  late_paid_at timestamptz,
  -- The provider time and event that this row was last written from (WHK-5).
  provider_updated_at timestamptz,
  provider_event_id text,
  created_at timestamptz NOT NULL DEFAULT billing.now(),
  updated_at timestamptz NOT NULL DEFAULT billing.now(),
  ended_at timestamptz,
  CONSTRAINT checkout_sessions_pkey PRIMARY KEY (id),
  CONSTRAINT checkout_sessions_entity_fkey FOREIGN KEY (entity_id) REFERENCES billing.entities (id),
  -- With the entity, because a foreign key sees through row-level security: no session takes another entity's operation.
  CONSTRAINT checkout_sessions_operation_fkey FOREIGN KEY (operation_id, entity_id)
    REFERENCES billing.request_idempotency (id, entity_id) ON DELETE SET NULL (operation_id),
  CONSTRAINT checkout_sessions_operation_key_key UNIQUE (operation_key),
  CONSTRAINT checkout_sessions_provider_session_key UNIQUE (provider, provider_session_id),
  CONSTRAINT checkout_sessions_mode_check CHECK (mode IN ('subscription', 'payment')),
  CONSTRAINT checkout_sessions_status_check CHECK (status IN (
    'open', 'completed_pending_subscription', 'recovery_verification_pending', 'completed_reconciled', 'expired', 'abandoned')),
  CONSTRAINT checkout_sessions_hold_check CHECK (
    provider_session_id IS NOT NULL OR status IN ('recovery_verification_pending', 'expired', 'abandoned')),
  CONSTRAINT checkout_sessions_ended_check CHECK (
    (status IN ('completed_reconciled', 'expired', 'abandoned')) = (ended_at IS NOT NULL))
);
-- CHK-2: one blocking session per entity.
CREATE UNIQUE INDEX checkout_sessions_one_blocking_key ON billing.checkout_sessions (entity_id)
  WHERE mode = 'subscription' AND status IN ('open', 'completed_pending_subscription', 'recovery_verification_pending');
CREATE INDEX checkout_sessions_entity_idx ON billing.checkout_sessions (entity_id);
CREATE INDEX checkout_sessions_blocking_idx ON billing.checkout_sessions (status, expires_at)
  WHERE status IN ('open', 'completed_pending_subscription', 'recovery_verification_pending');

-- CHK-3: the matrix, held by the database too. The same table stands in code (common/checkout/session_status.h), and a
-- test compares the two.
CREATE TABLE billing.checkout_session_transitions (
  from_status text NOT NULL,
  to_status text NOT NULL,
  CONSTRAINT checkout_session_transitions_pkey PRIMARY KEY (from_status, to_status)
);
INSERT INTO billing.checkout_session_transitions (from_status, to_status) VALUES
  ('open', 'completed_pending_subscription'),
  ('open', 'expired'),
  ('open', 'abandoned'),
  ('completed_pending_subscription', 'completed_reconciled'),
  ('completed_pending_subscription', 'abandoned'),
  ('recovery_verification_pending', 'open'),
  ('recovery_verification_pending', 'completed_pending_subscription'),
  ('recovery_verification_pending', 'completed_reconciled'),
  ('recovery_verification_pending', 'expired'),
  ('recovery_verification_pending', 'abandoned');

CREATE FUNCTION billing.refuse_checkout_session_transition() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
  AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM billing.checkout_session_transitions t
                 WHERE t.from_status = OLD.status AND t.to_status = NEW.status) THEN
    RAISE EXCEPTION 'checkout session % may not go from % to %', OLD.id, OLD.status, NEW.status
      USING ERRCODE = 'check_violation', CONSTRAINT = 'checkout_sessions_transition_check';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER checkout_sessions_transition BEFORE UPDATE OF status ON billing.checkout_sessions
  FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)
  EXECUTE FUNCTION billing.refuse_checkout_session_transition();
