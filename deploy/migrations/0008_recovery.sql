-- Recovery, and the writes beside checkout (IDM-9 to IDM-12, PRT-3, CHK-11).

-- PRT-3: one pending change of an entity's subscription, whatever the keys.
CREATE UNIQUE INDEX request_idempotency_one_pending_change_key ON billing.request_idempotency (entity_id)
  WHERE action IN ('cancel_subscription', 'resume_subscription', 'set_add_on') AND status = 'pending';

-- CHK-11: when the provider was last asked about a session on a buyer's behalf.
ALTER TABLE billing.checkout_sessions ADD COLUMN refreshed_at timestamptz;
