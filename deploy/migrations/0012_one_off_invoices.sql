-- Invoices of payment links (PRT-2): who pays is a customer that the provider makes for the payment, linked to no entity.

-- Null where the invoice's customer isn't linked to its entity: then the composite foreign key asks for nothing. A
-- customer that is named is linked to the row's own entity as before (WHK-11).
ALTER TABLE billing.invoices ALTER COLUMN provider_customer_id DROP NOT NULL;
-- Only of a one-off: a subscription's invoice belongs to the customer that has the subscription.
ALTER TABLE billing.invoices ADD CONSTRAINT invoices_customer_check CHECK (
  provider_customer_id IS NOT NULL OR provider_subscription_id IS NULL);
