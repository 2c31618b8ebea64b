-- The ownership matrix (TEN-8) as GRANTs, and row-level security (TEN-7) on every tenant table. This file is the one list; a test
-- reads it back from the system catalogs.

-- Tenant tables and the column that holds their entity. A tenant role sees and writes rows of its bound entity only; a
-- system role sees all rows of the tables that it holds a grant on. FORCE: even the owner has no way around.
DO $rls$
DECLARE
  t record;
  tenants constant text := 'checkout_tenant, webhook_tenant, entitlements_tenant, reconciler_tenant';
  systems constant text := 'checkout_system, webhook_system, entitlements_system, reconciler_system';
BEGIN
  FOR t IN SELECT * FROM (VALUES
    ('entities', 'id'), ('entity_members', 'entity_id'), ('change_feed', 'entity_id'), ('audit_log', 'entity_id'),
    ('audit_log_default', 'entity_id'), ('outbox_jobs', 'entity_id'), ('entity_customers', 'entity_id'),
    ('request_idempotency', 'entity_id'), ('provider_steps', 'entity_id'), ('checkout_sessions', 'entity_id'),
    ('webhook_events', 'entity_id'), ('webhook_events_default', 'entity_id'), ('subscriptions', 'entity_id'),
    ('subscription_items', 'entity_id'), ('invoices', 'entity_id'), ('remediations', 'entity_id'),
    ('entitlements', 'entity_id')) AS v (name, entity_column)
  LOOP
    EXECUTE format('ALTER TABLE billing.%I ENABLE ROW LEVEL SECURITY', t.name);
    EXECUTE format('ALTER TABLE billing.%I FORCE ROW LEVEL SECURITY', t.name);
    EXECUTE format('CREATE POLICY tenant ON billing.%I TO %s USING (%I = billing.current_entity()) '
                   'WITH CHECK (%I = billing.current_entity())', t.name, tenants, t.entity_column, t.entity_column);
    EXECUTE format('CREATE POLICY system ON billing.%I TO %s USING (true) WITH CHECK (true)', t.name, systems);
  END LOOP;
END
$rls$;

-- Everyone, in its own transaction: read the entity, bump its revision (which is also the right to lock the row), append to
-- the feed, the audit log and the outbox.
GRANT SELECT ON billing.entities TO
  checkout_tenant, checkout_system, webhook_tenant, webhook_system,
  entitlements_tenant, entitlements_system, reconciler_tenant, reconciler_system;
GRANT UPDATE (revision) ON billing.entities TO
  checkout_tenant, checkout_system, webhook_tenant, webhook_system,
  entitlements_tenant, entitlements_system, reconciler_tenant, reconciler_system;
GRANT INSERT, SELECT ON billing.change_feed, billing.audit_log TO
  checkout_tenant, checkout_system, webhook_tenant, webhook_system,
  entitlements_tenant, entitlements_system, reconciler_tenant, reconciler_system;
GRANT INSERT, SELECT ON billing.outbox_jobs TO
  checkout_tenant, checkout_system, webhook_tenant, webhook_system,
  entitlements_tenant, entitlements_system, reconciler_tenant, reconciler_system;
-- Who may do what is read by whoever answers a user.
GRANT SELECT ON billing.entity_members TO
  checkout_tenant, checkout_system, webhook_tenant, webhook_system,
  entitlements_tenant, entitlements_system, reconciler_tenant, reconciler_system;
GRANT SELECT ON billing.plans, billing.plan_prices, billing.plan_entitlements, billing.catalog_state TO
  checkout_tenant, checkout_system, webhook_tenant, webhook_system,
  entitlements_tenant, entitlements_system, reconciler_tenant, reconciler_system;

-- checkout
GRANT INSERT, UPDATE ON billing.entities TO checkout_system;
GRANT INSERT, UPDATE, DELETE ON billing.entity_members TO checkout_system;
GRANT INSERT, UPDATE ON billing.plans, billing.plan_prices, billing.catalog_state TO checkout_system;
GRANT INSERT ON billing.plan_entitlements TO checkout_system;
GRANT SELECT, INSERT, UPDATE ON billing.entity_customers, billing.request_idempotency, billing.provider_steps,
  billing.checkout_sessions TO checkout_tenant, checkout_system;
GRANT SELECT ON billing.subscriptions, billing.subscription_items, billing.invoices TO checkout_tenant, checkout_system;
GRANT SELECT ON billing.checkout_session_transitions TO checkout_system;

-- webhook. checkout_sessions: the columns that report the provider's word.
GRANT SELECT, INSERT ON billing.webhook_event_keys TO webhook_system;
GRANT SELECT, INSERT, UPDATE ON billing.webhook_events TO webhook_system;
GRANT SELECT, INSERT, UPDATE ON billing.subscriptions, billing.invoices, billing.remediations TO webhook_tenant, webhook_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON billing.subscription_items TO webhook_tenant, webhook_system;
GRANT SELECT, INSERT ON billing.checkout_sessions TO webhook_tenant, webhook_system;
GRANT UPDATE (status, provider_session_id, provider_customer_id, provider_subscription_id, url, expires_at, late_paid_at,
              provider_updated_at, provider_event_id, updated_at, ended_at)
  ON billing.checkout_sessions TO webhook_tenant, webhook_system;
GRANT SELECT ON billing.entity_customers, billing.request_idempotency TO webhook_tenant, webhook_system;

-- entitlements
GRANT SELECT, INSERT, UPDATE ON billing.entitlements TO entitlements_tenant, entitlements_system;
GRANT SELECT ON billing.subscriptions, billing.subscription_items TO entitlements_tenant, entitlements_system;

-- reconciler: it runs jobs and remediations, and reads what it compares.
GRANT UPDATE ON billing.outbox_jobs TO reconciler_system;
GRANT SELECT, UPDATE ON billing.remediations TO reconciler_system;
GRANT SELECT ON billing.checkout_sessions, billing.subscriptions, billing.subscription_items, billing.invoices,
  billing.request_idempotency, billing.provider_steps, billing.entity_customers, billing.webhook_events,
  billing.webhook_event_keys, billing.entitlements TO reconciler_system;

GRANT EXECUTE ON FUNCTION billing.ensure_partitions(text, integer) TO webhook_system, checkout_system, reconciler_system;
