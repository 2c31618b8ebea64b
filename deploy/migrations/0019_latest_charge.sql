-- Which try of a payment was the last is told by their times, which are whole seconds; of two that failed within one, only the
-- payment itself says. Written with what else the payment says (provider_updated_at), never from a charge. No index: it is read
-- with its row.
ALTER TABLE billing.payments ADD COLUMN provider_latest_charge_id text;
