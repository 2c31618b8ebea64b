-- Since when a session is completed, and an operation pending: what the watch over checkout measures from. updated_at doesn't
-- tell, because every refresh and takeover moves it, nor does created_at, because an operation may become pending again. Set
-- by the database, so that it holds for every writer.

ALTER TABLE billing.checkout_sessions ADD COLUMN completed_at timestamptz;
ALTER TABLE billing.request_idempotency ADD COLUMN pending_since timestamptz;

-- The rows that are here: as near as what they hold tells. FORCE hides them from their owner too, who needn't be a superuser.
ALTER TABLE billing.checkout_sessions NO FORCE ROW LEVEL SECURITY;
UPDATE billing.checkout_sessions SET completed_at = coalesce(ended_at, updated_at)
WHERE status IN ('completed_pending_subscription', 'completed_reconciled');
ALTER TABLE billing.checkout_sessions FORCE ROW LEVEL SECURITY;
ALTER TABLE billing.request_idempotency NO FORCE ROW LEVEL SECURITY;
UPDATE billing.request_idempotency SET pending_since = created_at;
ALTER TABLE billing.request_idempotency FORCE ROW LEVEL SECURITY;

ALTER TABLE billing.checkout_sessions ADD CONSTRAINT checkout_sessions_completed_check CHECK (
  completed_at IS NOT NULL OR status NOT IN ('completed_pending_subscription', 'completed_reconciled'));
ALTER TABLE billing.request_idempotency ALTER COLUMN pending_since SET DEFAULT billing.now(),
  ALTER COLUMN pending_since SET NOT NULL;

CREATE FUNCTION billing.note_checkout_session_completed() RETURNS trigger
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
  AS $$
BEGIN
  NEW.completed_at := billing.now();
  RETURN NEW;
END
$$;
-- The first time counts: from one completed state to the other it stays.
CREATE TRIGGER checkout_sessions_completed BEFORE INSERT OR UPDATE OF status ON billing.checkout_sessions
  FOR EACH ROW WHEN (NEW.completed_at IS NULL AND NEW.status IN ('completed_pending_subscription', 'completed_reconciled'))
  EXECUTE FUNCTION billing.note_checkout_session_completed();

CREATE FUNCTION billing.note_operation_pending() RETURNS trigger
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
  AS $$
BEGIN
  NEW.pending_since := billing.now();
  RETURN NEW;
END
$$;
CREATE TRIGGER request_idempotency_pending BEFORE UPDATE OF status ON billing.request_idempotency
  FOR EACH ROW WHEN (OLD.status <> 'pending' AND NEW.status = 'pending')
  EXECUTE FUNCTION billing.note_operation_pending();
