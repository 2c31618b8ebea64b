-- What every daemon shares: the entities, the change feed, the audit log and the outbox.

CREATE TABLE billing.entities (
  id uuid NOT NULL,
  env text NOT NULL,
  kind text NOT NULL,
  ref text NOT NULL,
  slug text,
  display_name text NOT NULL DEFAULT '',
  -- For kind user: the JWT subject that owns it (TEN-5).
  owner_subject text,
  -- Bumped by whoever commits a change of what the entity has or may do.
  revision bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT billing.now(),
  closed_at timestamptz,
  CONSTRAINT entities_pkey PRIMARY KEY (id),
  CONSTRAINT entities_env_kind_ref_key UNIQUE (env, kind, ref),
  CONSTRAINT entities_env_slug_key UNIQUE (env, slug),
  CONSTRAINT entities_kind_check CHECK (kind IN ('workspace', 'user', 'organization', 'external')),
  CONSTRAINT entities_slug_check CHECK (slug IS NULL OR kind = 'workspace'),
  CONSTRAINT entities_revision_check CHECK (revision >= 1)
);
-- The user entities of a subject: looked up with each of its requests that names no entity.
CREATE INDEX entities_owner_idx ON billing.entities (env, owner_subject) WHERE kind = 'user';

CREATE TABLE billing.entity_members (
  entity_id uuid NOT NULL,
  subject text NOT NULL,
  role text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT billing.now(),
  updated_at timestamptz NOT NULL DEFAULT billing.now(),
  CONSTRAINT entity_members_pkey PRIMARY KEY (entity_id, subject),
  CONSTRAINT entity_members_entity_fkey FOREIGN KEY (entity_id) REFERENCES billing.entities (id),
  CONSTRAINT entity_members_role_check CHECK (role IN ('owner', 'admin', 'member', 'viewer'))
);
CREATE INDEX entity_members_subject_idx ON billing.entity_members (subject);

-- One row a committed change. seq orders nothing across transactions (a later number may become visible first): readers
-- follow gaps until no older transaction can fill them.
CREATE TABLE billing.change_feed (
  seq bigint GENERATED ALWAYS AS IDENTITY,
  entity_id uuid NOT NULL,
  revision bigint NOT NULL,
  created_at timestamptz NOT NULL DEFAULT billing.now(),
  CONSTRAINT change_feed_pkey PRIMARY KEY (seq)
);

-- Append-only (AUD-1): no role holds UPDATE or DELETE. Partitioned by time, days made ahead by billing.ensure_partitions.
CREATE TABLE billing.audit_log (
  id uuid NOT NULL,
  created_at timestamptz NOT NULL DEFAULT billing.now(),
  env text NOT NULL,
  entity_id uuid,
  -- service:<certificate name>, user:<subject>, provider:<name> or worker:<name>.
  actor text NOT NULL,
  action text NOT NULL,
  operation_key text,
  provider_event_id text,
  -- What changed, as small JSON without secrets or personal data.
  detail jsonb NOT NULL DEFAULT '{}',
  -- Hex SHA-256 of the object before and after, where an object changed.
  before_digest text,
  after_digest text
) PARTITION BY RANGE (created_at);
CREATE INDEX audit_log_entity_idx ON billing.audit_log (entity_id, created_at);
CREATE TABLE billing.audit_log_default PARTITION OF billing.audit_log DEFAULT;

CREATE TABLE billing.outbox_jobs (
  id uuid NOT NULL,
  env text NOT NULL,
  entity_id uuid,
  job_type text NOT NULL,
  -- Deterministic: enqueuing the same work twice keeps one row.
  dedupe_key text NOT NULL,
  payload jsonb NOT NULL,
  status text NOT NULL DEFAULT 'ready',
  run_after timestamptz NOT NULL DEFAULT billing.now(),
  attempts integer NOT NULL DEFAULT 0,
  lease_owner text,
  lease_until timestamptz,
  lease_version bigint NOT NULL DEFAULT 0,
  last_error text,
  created_at timestamptz NOT NULL DEFAULT billing.now(),
  finished_at timestamptz,
  CONSTRAINT outbox_jobs_pkey PRIMARY KEY (id),
  CONSTRAINT outbox_jobs_dedupe_key_key UNIQUE (dedupe_key),
  CONSTRAINT outbox_jobs_status_check CHECK (status IN ('ready', 'leased', 'done', 'dead')),
  CONSTRAINT outbox_jobs_lease_check CHECK ((status = 'leased') = (lease_owner IS NOT NULL AND lease_until IS NOT NULL)),
  CONSTRAINT outbox_jobs_finished_check CHECK ((status IN ('done', 'dead')) = (finished_at IS NOT NULL))
);
CREATE INDEX outbox_jobs_ready_idx ON billing.outbox_jobs (run_after) WHERE status = 'ready';
CREATE INDEX outbox_jobs_leased_idx ON billing.outbox_jobs (lease_until) WHERE status = 'leased';
CREATE INDEX outbox_jobs_dead_idx ON billing.outbox_jobs (finished_at, id) WHERE status = 'dead';

-- Makes the daily partitions of a time-partitioned table from today to p_days ahead. An owner function, so that workers
-- can keep partitions ready without owning tables.
CREATE FUNCTION billing.ensure_partitions(p_table text, p_days integer) RETURNS integer
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  day date;
  part text;
  made integer := 0;
BEGIN
  IF p_table NOT IN ('audit_log', 'webhook_events') THEN
    RAISE EXCEPTION 'billing.% is not partitioned by time', p_table;
  END IF;
  IF p_days NOT BETWEEN 0 AND 60 THEN
    RAISE EXCEPTION 'p_days is %, expected 0 to 60', p_days;
  END IF;
  FOR offset_days IN 0 .. p_days LOOP
    day := (billing.now() AT TIME ZONE 'UTC')::date + offset_days;
    part := format('%s_%s', p_table, to_char(day, 'YYYYMMDD'));
    IF to_regclass('billing.' || quote_ident(part)) IS NULL THEN
      -- Rows that landed in the DEFAULT partition meanwhile would refuse the new one: they stay there, and so does the day.
      BEGIN
        EXECUTE format('CREATE TABLE billing.%I PARTITION OF billing.%I FOR VALUES FROM (%L) TO (%L)',
                       part, p_table, day::text || ' 00:00:00+00', (day + 1)::text || ' 00:00:00+00');
        EXECUTE format('ALTER TABLE billing.%I ENABLE ROW LEVEL SECURITY', part);
        EXECUTE format('ALTER TABLE billing.%I FORCE ROW LEVEL SECURITY', part);
        made := made + 1;
      EXCEPTION WHEN check_violation OR duplicate_table THEN
        NULL;
      END;
    END IF;
  END LOOP;
  RETURN made;
END
$$;
REVOKE ALL ON FUNCTION billing.ensure_partitions(text, integer) FROM PUBLIC;
