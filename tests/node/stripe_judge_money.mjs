// Money that goes back, as Stripe's own Node client sees it, and thin notifications.

import assert from 'node:assert/strict';
import Stripe from 'stripe';
import { check, control, deliveries, receiver, stripe, subscribed, until } from './simulator_harness.mjs';

const WEBHOOK_SECRET = 'whsec_judge_thin';

async function paid() {
  const { customer, subscription } = await subscribed();
  const payments = await stripe.invoicePayments.list({ invoice: subscription.latest_invoice });
  const intent = await stripe.paymentIntents.retrieve(payments.data[0].payment.payment_intent);
  return { customer, invoice: subscription.latest_invoice, intent, charge: intent.latest_charge };
}

const typesOf = async (object) =>
  (await control('GET', `events?object=${object}`)).data.map((event) => event.type);

check('a dispute is opened, retrieved, listed and given up', async () => {
  const { charge, intent } = await paid();
  const { id } = await control('POST', 'disputes', { charge, reason: 'product_not_received' });
  const dispute = await stripe.disputes.retrieve(id, { expand: ['charge'] });
  assert.equal(dispute.object, 'dispute');
  assert.equal(dispute.status, 'needs_response');
  assert.equal(dispute.reason, 'product_not_received');
  assert.equal(dispute.charge.disputed, true);
  const listed = await stripe.disputes.list({ payment_intent: intent.id });
  assert.deepEqual(listed.data.map((d) => d.id), [id]);
  assert.equal((await stripe.disputes.close(id)).status, 'lost');
  assert.deepEqual(await typesOf(id), ['charge.dispute.created', 'charge.dispute.funds_withdrawn',
    'charge.dispute.updated', 'charge.dispute.closed']);
});

check('a refund succeeds later, or fails', async () => {
  const { charge, customer } = await paid();
  await control('POST', 'payment_behavior', { customer: customer.id, refund_status: 'pending' });
  const refund = await stripe.refunds.create({ charge, amount: 300, metadata: { a: '1' } });
  assert.equal(refund.status, 'pending');
  await control('POST', `refunds/${refund.id}`, { status: 'failed' });
  const failed = await stripe.refunds.update(refund.id, { metadata: { a: '2' } });
  assert.equal(failed.status, 'failed');
  assert.equal(failed.failure_reason, 'expired_or_canceled_card');
  assert.equal((await stripe.charges.retrieve(charge)).amount_refunded, 0);
  assert.ok((await typesOf(refund.id)).includes('refund.failed'));
});

check('credit notes are issued, changed, listed and voided', async () => {
  const { invoice, customer } = await paid();
  await assert.rejects(stripe.creditNotes.create({ invoice, amount: 100 }),
    Stripe.errors.StripeInvalidRequestError);
  const note = await stripe.creditNotes.create({ invoice, amount: 100, refund_amount: 100, reason: 'order_change' });
  assert.equal(note.type, 'post_payment');
  assert.equal((await stripe.refunds.retrieve(note.refunds[0].refund)).amount, 100);
  assert.equal((await stripe.creditNotes.update(note.id, { memo: 'sorry' })).memo, 'sorry');
  assert.deepEqual((await stripe.creditNotes.list({ customer: customer.id })).data.map((n) => n.id), [note.id]);
  assert.equal((await stripe.creditNotes.listLineItems(note.id)).data[0].amount, 100);
  await assert.rejects(stripe.creditNotes.voidCreditNote(note.id), Stripe.errors.StripeInvalidRequestError);

  const bought = await subscribed();
  const open = await stripe.subscriptions.create({
    customer: bought.customer.id, items: [{ price: bought.price.id }], payment_behavior: 'default_incomplete',
  });
  const less = await stripe.creditNotes.create({ invoice: open.latest_invoice, amount: 500 });
  assert.equal((await stripe.invoices.retrieve(open.latest_invoice)).amount_remaining, 1500);
  assert.equal((await stripe.creditNotes.voidCreditNote(less.id)).status, 'void');
  assert.equal((await stripe.invoices.retrieve(open.latest_invoice)).amount_remaining, 2000);
});

check('a thin notification verifies and names its object', async () => {
  const path = '/thin';
  const endpoint = await control('POST', 'webhook_endpoints', {
    url: `http://127.0.0.1:${receiver.address().port}${path}`, secret: WEBHOOK_SECRET, thin: true,
    enabled_events: ['customer.created'],
  });
  const customer = await stripe.customers.create({ name: 'Thin' });
  const about = () => deliveries.find((d) => d.path === path && d.body.includes(customer.id));
  await until('the notification', async () => about() !== undefined);
  await stripe.webhookEndpoints.del(endpoint.id);
  const { body, signature } = about();
  const notification = stripe.parseEventNotification(body, signature, WEBHOOK_SECRET);
  assert.equal(notification.type, 'v1.customer.created');
  assert.equal(notification.related_object.id, customer.id);
  assert.equal(notification.related_object.url, `/v1/customers/${customer.id}`);
  assert.equal(body.includes('"data"'), false);
  assert.throws(() => stripe.webhooks.constructEvent(body, signature, WEBHOOK_SECRET));
});
