-- The schema, the roles and the clock that everything else leans on.
--
-- A daemon logs in as billmesh_<daemon>, which owns nothing and holds nothing (TEN-7). Each transaction takes one of its two
-- roles for its duration: <daemon>_tenant, bound to one entity by row-level security, or <daemon>_system.
-- Roles belong to the cluster, so a second database of the same cluster finds them there.

CREATE SCHEMA billing;

DO $roles$
DECLARE
  daemon text;
  scope text;
BEGIN
  FOREACH daemon IN ARRAY ARRAY['checkout', 'webhook', 'entitlements', 'reconciler'] LOOP
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'billmesh_' || daemon) THEN
      EXECUTE format('CREATE ROLE %I LOGIN NOINHERIT', 'billmesh_' || daemon);
    END IF;
    -- Settings of the login role hold for the session, whatever role its transactions take.
    EXECUTE format('ALTER ROLE %I SET lock_timeout = %L', 'billmesh_' || daemon, '2s');
    EXECUTE format('ALTER ROLE %I SET statement_timeout = %L', 'billmesh_' || daemon, '10s');
    EXECUTE format('ALTER ROLE %I SET idle_in_transaction_session_timeout = %L', 'billmesh_' || daemon, '15s');
    -- Statements are few, prepared, and find their rows by key: planning each anew costs more than running it.
    EXECUTE format('ALTER ROLE %I SET plan_cache_mode = %L', 'billmesh_' || daemon, 'force_generic_plan');
    FOREACH scope IN ARRAY ARRAY['tenant', 'system'] LOOP
      IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = daemon || '_' || scope) THEN
        EXECUTE format('CREATE ROLE %I NOLOGIN', daemon || '_' || scope);
      END IF;
      EXECUTE format('GRANT %I TO %I', daemon || '_' || scope, 'billmesh_' || daemon);
      EXECUTE format('GRANT USAGE ON SCHEMA billing TO %I', daemon || '_' || scope);
    END LOOP;
  END LOOP;
END
$roles$;

-- The clock of every decision: leases, deadlines, holds, expiry (IDM-16). It moves on inside a transaction, because what counts is
-- when a lock was had, not when the transaction began. Tests replace this one function to move time.
CREATE FUNCTION billing.now() RETURNS timestamptz
  LANGUAGE sql STABLE PARALLEL SAFE
  AS 'SELECT clock_timestamp()';

-- The entity that the transaction is bound to; null outside a tenant transaction.
CREATE FUNCTION billing.current_entity() RETURNS uuid
  LANGUAGE sql STABLE PARALLEL SAFE
  AS $$SELECT nullif(current_setting('billmesh.entity_id', true), '')::uuid$$;

-- Which migrations ran. Written by `billctl migrate` only; daemons compare it with the version they were built for.
CREATE TABLE billing.schema_migrations (
  version integer NOT NULL,
  name text NOT NULL,
  sha256 text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT schema_migrations_pkey PRIMARY KEY (version)
);
GRANT SELECT ON billing.schema_migrations TO checkout_system, webhook_system, entitlements_system, reconciler_system;
