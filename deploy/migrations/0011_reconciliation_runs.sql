-- Runs of the reconciler's scopes (REC-1, REC-2, REC-4), and the index by which stale operations are found.

-- One row a run. It belongs to no entity: what a run touches, it touches through the daemon that owns it.
CREATE TABLE billing.reconciliation_runs (
  id uuid NOT NULL,
  env text NOT NULL,
  provider text NOT NULL,
  -- pending_recent, …
  scope text NOT NULL,
  trigger text NOT NULL,
  -- For manual runs: who asked, in the audit log's form.
  requested_by text,
  status text NOT NULL DEFAULT 'running',
  -- Where the next batch begins, in the scope's own words; empty at the beginning.
  cursor text NOT NULL DEFAULT '',
  scanned bigint NOT NULL DEFAULT 0,
  drifted bigint NOT NULL DEFAULT 0,
  repaired bigint NOT NULL DEFAULT 0,
  failed bigint NOT NULL DEFAULT 0,
  -- A few of what was found out of order: [{subject, kind, result, detail}], without secrets.
  samples jsonb NOT NULL DEFAULT '[]',
  -- Why a failed run ended.
  error text,
  -- Null while nobody holds the run: one that was asked for, or that its holder let go.
  lease_owner text,
  lease_until timestamptz,
  lease_version bigint NOT NULL DEFAULT 0,
  started_at timestamptz NOT NULL DEFAULT billing.now(),
  updated_at timestamptz NOT NULL DEFAULT billing.now(),
  finished_at timestamptz,
  CONSTRAINT reconciliation_runs_pkey PRIMARY KEY (id),
  CONSTRAINT reconciliation_runs_trigger_check CHECK (trigger IN ('schedule', 'manual')),
  CONSTRAINT reconciliation_runs_requested_check CHECK ((trigger = 'manual') = (requested_by IS NOT NULL)),
  CONSTRAINT reconciliation_runs_status_check CHECK (status IN ('running', 'done', 'failed')),
  CONSTRAINT reconciliation_runs_finished_check CHECK ((status = 'running') = (finished_at IS NULL)),
  CONSTRAINT reconciliation_runs_error_check CHECK ((status = 'failed') = (error IS NOT NULL)),
  CONSTRAINT reconciliation_runs_lease_check CHECK (
    (lease_owner IS NULL) = (lease_until IS NULL) AND (status = 'running' OR lease_owner IS NULL)),
  CONSTRAINT reconciliation_runs_counts_check CHECK (
    drifted BETWEEN 0 AND scanned AND repaired BETWEEN 0 AND scanned AND failed BETWEEN 0 AND scanned),
  CONSTRAINT reconciliation_runs_samples_check CHECK (
    jsonb_typeof(samples) = 'array' AND jsonb_array_length(samples) <= 20)
);
-- REC-2: one active run of a scope.
CREATE UNIQUE INDEX reconciliation_runs_one_running_key ON billing.reconciliation_runs (env, provider, scope)
  WHERE status = 'running';
-- When a scope last began, and its runs in order.
CREATE INDEX reconciliation_runs_scope_idx ON billing.reconciliation_runs (env, provider, scope, started_at, id);
CREATE INDEX reconciliation_runs_started_idx ON billing.reconciliation_runs (env, started_at, id);

GRANT SELECT, INSERT, UPDATE ON billing.reconciliation_runs TO reconciler_system;

-- Pending operations in the order in which their leases ended; of one that nobody holds, since it was made. In the place of
-- the index on lease_until alone, which can't be followed page by page.
CREATE INDEX request_idempotency_stale_idx ON billing.request_idempotency ((coalesce(lease_until, created_at)), id)
  WHERE status = 'pending';
DROP INDEX billing.request_idempotency_pending_idx;
