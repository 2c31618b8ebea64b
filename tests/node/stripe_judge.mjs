// Stripe's own Node client is the judge of the simulator: it must work against it unchanged.

import assert from 'node:assert/strict';
import Stripe from 'stripe';
import {
  check, control, deliveries, fault, OLD_VERSION, open, port, press, receiver, sellable, stripe, subscribed, until, url,
} from './simulator_harness.mjs';

check('the account answers', async () => {
  const account = await stripe.accounts.retrieveCurrent();
  assert.match(account.id, /^acct_/);
});

check('a customer is made, read, changed, listed and deleted', async () => {
  const made = await stripe.customers.create({
    email: 'one@example.com',
    metadata: { entity: 'e-1', other: 'x' },
  });
  assert.match(made.id, /^cus_[A-Za-z0-9]{14}$/);
  assert.match(made.lastResponse.requestId, /^req_/);
  assert.equal(made.lastResponse.apiVersion, stripe.getApiField('version'));
  const changed = await stripe.customers.update(made.id, { name: 'One', metadata: { other: '' } });
  assert.deepEqual(changed.metadata, { entity: 'e-1' });
  const listed = await stripe.customers.list({ email: 'one@example.com' });
  assert.deepEqual(listed.data.map((c) => c.id), [made.id]);
  assert.equal((await stripe.customers.del(made.id)).deleted, true);
  assert.equal((await stripe.customers.retrieve(made.id)).deleted, true);
});

check('a purchase goes from the session over the page to subscription and invoice', async () => {
  const { customer, price, session } = await open();
  assert.equal(session.status, 'open');
  assert.equal(session.subscription, null);
  assert.equal(session.expires_at - session.created, 86_400);
  const page = await fetch(session.url);
  const html = await page.text();
  for (const button of ['pay', 'fail', 'leave']) assert.ok(html.includes(`id="${button}"`));

  const left = await press(session, 'leave');
  assert.equal(left.headers.get('location'), 'http://127.0.0.1:1/left');
  assert.equal((await press(session, 'fail')).status, 402);
  assert.equal((await stripe.checkout.sessions.retrieve(session.id)).status, 'open');
  const paid = await press(session, 'pay');
  assert.equal(paid.headers.get('location'), `http://127.0.0.1:1/done?session=${session.id}`);
  assert.equal((await press(session, 'pay')).status, 303, 'a second click pays nothing');

  const done = await stripe.checkout.sessions.retrieve(session.id, {
    expand: ['subscription.latest_invoice', 'line_items'],
  });
  assert.equal(done.status, 'complete');
  assert.equal(done.payment_status, 'paid');
  assert.equal(done.line_items.data[0].price.id, price.id);
  const subscription = done.subscription;
  assert.equal(subscription.status, 'active');
  assert.equal(subscription.metadata.operation, 'op-1');
  assert.equal(subscription.current_period_end, undefined, 'since basil it stands on items');
  assert.ok(subscription.items.data[0].current_period_end > subscription.created);
  const invoice = subscription.latest_invoice;
  assert.equal(invoice.status, 'paid');
  assert.equal(invoice.parent.subscription_details.subscription, subscription.id);
  assert.equal(invoice.parent.subscription_details.metadata.operation, 'op-1');
  assert.equal(invoice.lines.data[0].pricing.price_details.price, price.id);
  assert.equal(invoice.payment_intent, undefined);

  const payments = await stripe.invoicePayments.list({ invoice: invoice.id });
  assert.equal(payments.data.length, 1);
  const intent = await stripe.paymentIntents.retrieve(payments.data[0].payment.payment_intent, {
    expand: ['latest_charge', 'payment_method'],
  });
  assert.equal(intent.status, 'succeeded');
  assert.equal(intent.latest_charge.amount, 2000);
  assert.equal(intent.payment_method.card.last4, '4242');
  const methods = await stripe.customers.listPaymentMethods(customer.id);
  assert.equal(methods.data.length, 1);
  const byCustomer = await stripe.invoices.list({ customer: customer.id, status: 'paid' });
  assert.deepEqual(byCustomer.data.map((i) => i.id), [invoice.id]);
  const charges = await stripe.charges.list({ customer: customer.id });
  assert.deepEqual(charges.data.map((c) => c.status).sort(), ['failed', 'succeeded']);
});

check('all events are listed by auto-pagination, newest first, and filtered', async () => {
  const { session, subscription } = await subscribed();
  const seen = [];
  for await (const event of stripe.events.list({ limit: 3 })) seen.push(event);
  assert.equal(new Set(seen.map((e) => e.id)).size, seen.length);
  assert.ok(seen.length > 20);
  for (let i = 1; i < seen.length; i += 1) assert.ok(seen[i - 1].created >= seen[i].created);
  const types = new Set(seen.map((e) => e.type));
  for (const type of ['customer.created', 'checkout.session.completed', 'invoice.created',
    'customer.subscription.created', 'customer.subscription.updated', 'invoice.finalized',
    'invoice.paid', 'invoice.payment_succeeded', 'invoice_payment.paid', 'payment_intent.created',
    'payment_intent.succeeded', 'charge.succeeded', 'payment_method.attached']) {
    assert.ok(types.has(type), `no ${type}`);
  }
  const completed = await stripe.events
    .list({ type: 'checkout.session.completed', limit: 1 })
    .autoPagingToArray({ limit: 100 });
  assert.ok(completed.every((e) => e.type === 'checkout.session.completed'));
  assert.equal(completed[0].data.object.id, session.id);
  const both = await stripe.events.list({ types: ['invoice.paid', 'charge.succeeded'], limit: 100 });
  assert.deepEqual(new Set(both.data.map((e) => e.type)),
    new Set(['invoice.paid', 'charge.succeeded']));
  const newest = seen[0];
  const next = await stripe.events.list({ ending_before: seen[5].id, limit: 2 });
  assert.deepEqual(next.data.map((e) => e.id), [seen[3].id, seen[4].id]);
  assert.equal((await stripe.events.retrieve(newest.id)).type, newest.type);
  const updated = seen.find((e) => e.type === 'customer.subscription.updated');
  assert.equal(updated.data.object.id, subscription.id);
  assert.equal(updated.data.previous_attributes.status, 'incomplete');
});

check('lists page both ways', async () => {
  const ids = [];
  for (let i = 0; i < 5; i += 1) {
    ids.unshift((await stripe.customers.create({ email: 'page@example.com' })).id);
  }
  const listed = await stripe.customers.list({ email: 'page@example.com', limit: 2 })
    .autoPagingToArray({ limit: 10 });
  assert.deepEqual(listed.map((c) => c.id), ids);
  const before_ = await stripe.customers.list({
    email: 'page@example.com', ending_before: ids[3], limit: 2,
  });
  assert.deepEqual(before_.data.map((c) => c.id), [ids[1], ids[2]]);
  assert.equal(before_.has_more, true);
  await assert.rejects(stripe.customers.list({ limit: 101 }), Stripe.errors.StripeInvalidRequestError);
});

check('a key replays its first answer and refuses other parameters and paths', async () => {
  const key = { idempotencyKey: 'judge-replay' };
  const first = await stripe.customers.create({ name: 'A', metadata: { a: '1', b: '2' } }, key);
  await stripe.customers.update(first.id, { name: 'B' });
  const again = await stripe.customers.create({ metadata: { b: '2', a: '1' }, name: 'A' }, key);
  assert.equal(again.id, first.id);
  assert.equal(again.name, 'A', 'as it was at creation');
  assert.equal(again.lastResponse.headers['idempotent-replayed'], 'true');
  assert.equal(again.lastResponse.headers['original-request'], first.lastResponse.requestId);
  await assert.rejects(stripe.customers.create({ name: 'C' }, key),
    Stripe.errors.StripeIdempotencyError);
  await assert.rejects(stripe.products.create({ name: 'A' }, key),
    Stripe.errors.StripeIdempotencyError);
});

check('a refused validation is not stored under its key', async () => {
  const key = { idempotencyKey: 'judge-validation' };
  await assert.rejects(stripe.products.create({}, key), (error) => {
    assert.ok(error instanceof Stripe.errors.StripeInvalidRequestError);
    assert.equal(error.code, 'parameter_missing');
    assert.equal(error.param, 'name');
    return true;
  });
  assert.ok((await stripe.products.create({ name: 'Now right' }, key)).id);
});

check('a key in use by a running request is a conflict', async () => {
  await fault('delay_ms', { key_prefix: 'judge-busy' }, { ms: 300 });
  const key = { idempotencyKey: 'judge-busy' };
  const running = stripe.customers.create({ name: 'slow' }, key);
  await until('the first request', async () => {
    const rules = (await control('GET', 'faults')).rules;
    return rules.some((rule) => rule.match.key_prefix === 'judge-busy' && rule.struck === 1);
  });
  await assert.rejects(stripe.customers.create({ name: 'slow' }, key), (error) => {
    assert.equal(error.statusCode, 409);
    assert.equal(error.code, 'idempotency_key_in_use');
    return true;
  });
  const first = await running;
  assert.equal((await stripe.customers.create({ name: 'slow' }, key)).id, first.id);
});

check('a key is a new request after 24 hours of the simulated clock', async () => {
  const key = { idempotencyKey: 'judge-day' };
  const first = await stripe.customers.create({ name: 'day' }, key);
  await control('POST', 'clock', { advance_s: 24 * 3600 - 60 });
  assert.equal((await stripe.customers.create({ name: 'day' }, key)).id, first.id);
  await control('POST', 'clock', { advance_s: 61 });
  assert.notEqual((await stripe.customers.create({ name: 'day' }, key)).id, first.id);
});

check('refusals come as the error classes of the client', async () => {
  const { StripeInvalidRequestError, StripeAuthenticationError, StripeRateLimitError,
    StripeCardError, StripePermissionError, StripeAPIError, StripeConnectionError } = Stripe.errors;
  await assert.rejects(stripe.customers.retrieve('cus_none'), (error) => {
    assert.ok(error instanceof StripeInvalidRequestError);
    assert.equal(error.statusCode, 404);
    assert.equal(error.code, 'resource_missing');
    assert.equal(error.message, "No such customer: 'cus_none'");
    assert.match(error.requestId, /^req_/);
    return true;
  });
  for (const [given, param] of [[{ colour: 'red' }, 'colour'], [{ tax: { foo: '5' } }, 'tax[foo]'],
    [{ shipping: { nope: '1' } }, 'shipping[nope]']]) {
    await assert.rejects(stripe.customers.create(given), (error) => {
      assert.ok(error instanceof StripeInvalidRequestError);
      assert.equal(error.code, 'parameter_unknown');
      assert.equal(error.param, param);
      return true;
    });
  }
  await assert.rejects(stripe.customers.create({ balance: 'much' }), (error) => {
    assert.equal(error.code, 'parameter_invalid_integer');
    return true;
  });
  const stranger = new Stripe('sk_live_wrong', {
    host: '127.0.0.1', port, protocol: 'http', maxNetworkRetries: 0, telemetry: false,
  });
  await assert.rejects(stranger.customers.list(), StripeAuthenticationError);
  const cases = [['error_429', StripeRateLimitError], ['error_402', StripeCardError],
    ['error_403', StripePermissionError], ['error_401', StripeAuthenticationError],
    ['error_400', StripeInvalidRequestError], ['error_500_before', StripeAPIError],
    ['reset_before', StripeConnectionError], ['wrong_content_type', StripeAPIError]];
  for (const [action, type] of cases) {
    // More than once: the client tries a reset connection again by itself, whatever its settings.
    await fault(action, { key_prefix: `judge-${action}`, count: 5 });
    await assert.rejects(
      stripe.customers.create({}, { idempotencyKey: `judge-${action}-1` }),
      (error) => error instanceof type, action);
  }
});

check('a 500 is replayed under its key, whether or not it did its work', async () => {
  for (const [action, made] of [['error_500_before', 0], ['error_500_after', 1]]) {
    const email = `${action}@example.com`;
    const key = { idempotencyKey: `judge-stored-${action}` };
    await fault(action, { key_prefix: key.idempotencyKey });
    for (let i = 0; i < 3; i += 1) {
      await assert.rejects(stripe.customers.create({ email }, key), Stripe.errors.StripeAPIError);
    }
    assert.equal((await stripe.customers.list({ email })).data.length, made, action);
  }
});

check('a lost answer is made good by a retry with the same key', async () => {
  const patient = new Stripe('sk_test_judge', {
    host: '127.0.0.1', port, protocol: 'http', maxNetworkRetries: 2, telemetry: false,
  });
  await fault('reset_after', { path_prefix: '/v1/customers', method: 'POST' });
  const customer = await patient.customers.create({ email: 'lost@example.com' });
  const listed = await stripe.customers.list({ email: 'lost@example.com' });
  assert.deepEqual(listed.data.map((c) => c.id), [customer.id]);
  assert.equal(customer.lastResponse.headers['idempotent-replayed'], 'true');
});

check('webhooks arrive signed, in both shapes, and are retried', async () => {
  const endpoints = {};
  for (const [path, apiVersion] of [['/new', undefined], ['/old', OLD_VERSION]]) {
    endpoints[path] = await stripe.webhookEndpoints.create({
      url: `http://127.0.0.1:${receiver.address().port}${path}`,
      enabled_events: ['*'],
      ...(apiVersion && { api_version: apiVersion }),
    });
    assert.match(endpoints[path].secret, /^whsec_/);
  }
  receiver.refusals = 2;
  const { subscription } = await subscribed();
  await until('all deliveries', async () => (await control('GET', 'webhooks')).idle);
  const received = { '/new': [], '/old': [] };
  for (const { path, body, signature, refused } of deliveries) {
    const event = stripe.webhooks.constructEvent(body, signature, endpoints[path].secret);
    if (!refused) received[path].push(event);
  }
  assert.equal(deliveries.filter((d) => d.refused).length, 2);
  assert.equal(received['/new'].length, received['/old'].length);
  const find = (path, type) => received[path].find(
    (e) => e.type === type && e.data.object.customer === subscription.customer);
  const fresh = find('/new', 'customer.subscription.updated').data.object;
  const stale = find('/old', 'customer.subscription.updated').data.object;
  assert.equal(fresh.current_period_end, undefined);
  assert.equal(stale.current_period_end, fresh.items.data[0].current_period_end);
  assert.equal(stale.items.data[0].current_period_end, undefined);
  assert.equal(find('/old', 'invoice.paid').data.object.subscription, subscription.id);
  assert.equal(find('/old', 'invoice.paid').data.object.paid, true);
  assert.match(find('/old', 'invoice.paid').data.object.payment_intent, /^pi_/);
  assert.equal(find('/new', 'invoice.paid').data.object.subscription, undefined);
  const sample = deliveries.find((d) => d.path === '/new');
  assert.throws(() => stripe.webhooks.constructEvent(sample.body, sample.signature, 'whsec_other'),
    Stripe.errors.StripeSignatureVerificationError);
  const forged = await control('POST', 'webhooks/forge', {
    url: `http://127.0.0.1:${receiver.address().port}/new`, body: '{"object":"event"}',
  });
  assert.equal(forged.status, 200);
  const last = deliveries.at(-1);
  assert.throws(
    () => stripe.webhooks.constructEvent(last.body, last.signature, endpoints['/new'].secret),
    Stripe.errors.StripeSignatureVerificationError);
  for (const endpoint of Object.values(endpoints)) await stripe.webhookEndpoints.del(endpoint.id);
  assert.equal((await stripe.webhookEndpoints.list()).data.length, 0);
});

check('webhooks are held, dropped, duplicated, overtaken and sent again on demand', async () => {
  const endpoint = await stripe.webhookEndpoints.create({
    url: `http://127.0.0.1:${receiver.address().port}/faults`, enabled_events: ['*'],
  });
  const idle = () => until('all deliveries', async () => (await control('GET', 'webhooks')).idle);
  const types = (from) => deliveries.slice(from).map((d) => JSON.parse(d.body).type);
  const rule = (action, type, more) =>
    control('POST', 'faults', { action, match: { event_type: type, count: 1 }, ...more });

  let from = deliveries.length;
  const { customer } = await open();
  await stripe.customers.update(customer.id, { name: 'first' });
  await stripe.customers.del(customer.id);
  await idle();
  assert.deepEqual(types(from).filter((t) => t.startsWith('customer.')),
    ['customer.created', 'customer.updated', 'customer.deleted'], 'one object, in order');

  await rule('webhook_drop', 'product.created');
  await rule('webhook_duplicate', 'price.created', { times: 2 });
  await rule('webhook_reorder', 'customer.created', { ms: 150 });
  await rule('webhook_hold', 'customer.deleted');
  from = deliveries.length;
  const { customer: second } = await open();
  await stripe.customers.update(second.id, { name: 'second' });
  await stripe.customers.del(second.id);
  await until('what is not held', async () => {
    const status = await control('GET', 'webhooks');
    return status.held === 1 && status.queued + status.delayed + status.in_flight === 0;
  });
  let seen = types(from);
  assert.equal(seen.filter((t) => t === 'product.created').length, 0);
  assert.equal(seen.filter((t) => t === 'price.created').length, 3);
  assert.ok(seen.indexOf('customer.updated') < seen.indexOf('customer.created'));
  assert.equal(seen.includes('customer.deleted'), false);
  await control('POST', 'webhooks', { hold: false });
  await idle();
  assert.ok(types(from).includes('customer.deleted'));
  const undelivered = await stripe.events.list({ delivery_success: false, limit: 100 });
  assert.ok(undelivered.data.some((e) => e.type === 'product.created'));

  from = deliveries.length;
  await control('POST', 'webhooks/deliver', { event: undelivered.data[0].id, times: 3 });
  await idle();
  seen = types(from);
  assert.deepEqual(seen, Array(3).fill(undelivered.data[0].type));

  from = deliveries.length;
  await control('POST', 'webhooks', { hold: true });
  await stripe.customers.create({ name: 'held' });
  assert.equal((await control('GET', 'webhooks')).queued, 1);
  assert.equal((await control('DELETE', 'webhooks')).dropped, 1);
  await control('POST', 'webhooks', { hold: false });
  await idle();
  assert.deepEqual(types(from), []);
  await stripe.webhookEndpoints.del(endpoint.id);
});

check('the client pinned to an older version reads the older shape', async () => {
  const { subscription } = await subscribed();
  const old = await stripe.subscriptions.retrieve(subscription.id, {
    expand: ['latest_invoice.payment_intent'],
  }, { apiVersion: OLD_VERSION });
  assert.ok(old.current_period_end > old.current_period_start);
  assert.equal(old.latest_invoice.payment_intent.status, 'succeeded');
});

check('subscriptions change, cancel, resume and end', async () => {
  const { price, customer, subscription } = await subscribed();
  const ending = await stripe.subscriptions.update(subscription.id, { cancel_at_period_end: true });
  assert.equal(ending.cancel_at, ending.items.data[0].current_period_end);
  const resumed = await stripe.subscriptions.update(subscription.id, {
    cancel_at_period_end: false,
  });
  assert.equal(resumed.cancel_at, null);
  const addOn = await stripe.prices.create({
    product: price.product, currency: 'usd', unit_amount: 500, recurring: { interval: 'month' },
  });
  const item = await stripe.subscriptionItems.create({
    subscription: subscription.id, price: addOn.id, quantity: 2, proration_behavior: 'none',
  });
  const more = await stripe.subscriptionItems.update(item.id, { quantity: 3 });
  assert.equal(more.quantity, 3);
  const items = await stripe.subscriptionItems.list({ subscription: subscription.id });
  assert.equal(items.data.length, 2);
  assert.equal((await stripe.subscriptionItems.del(item.id)).deleted, true);
  const paused = await stripe.subscriptions.update(subscription.id, {
    pause_collection: { behavior: 'void' },
  });
  assert.equal(paused.pause_collection.behavior, 'void');
  await stripe.subscriptions.update(subscription.id, { pause_collection: '' });
  const gone = await stripe.subscriptions.cancel(subscription.id);
  assert.equal(gone.status, 'canceled');
  await assert.rejects(stripe.subscriptions.cancel(subscription.id),
    (error) => error.code === 'resource_missing');
  const listed = await stripe.subscriptions.list({ customer: customer.id });
  assert.equal(listed.data.length, 0, 'canceled ones are listed only with status');
  const all = await stripe.subscriptions.list({ customer: customer.id, status: 'all' });
  assert.deepEqual(all.data.map((s) => s.id), [subscription.id]);
});

check('the clock renews, and a failing card makes it past due', async () => {
  const { subscription, customer } = await subscribed();
  const end = subscription.items.data[0].current_period_end;
  await control('POST', 'clock', { now: end + 3700 });
  let now = await stripe.subscriptions.retrieve(subscription.id, { expand: ['latest_invoice'] });
  assert.equal(now.items.data[0].current_period_start, end);
  assert.equal(now.status, 'active');
  assert.equal(now.latest_invoice.billing_reason, 'subscription_cycle');
  assert.equal(now.latest_invoice.status, 'paid');
  await control('POST', 'payment_behavior', { customer: customer.id, decline: true });
  await control('POST', 'clock', { now: now.items.data[0].current_period_end + 3700 });
  now = await stripe.subscriptions.retrieve(subscription.id, { expand: ['latest_invoice'] });
  assert.equal(now.status, 'past_due');
  assert.equal(now.latest_invoice.status, 'open');
  await assert.rejects(stripe.invoices.pay(now.latest_invoice.id), Stripe.errors.StripeCardError);
  await control('POST', 'payment_behavior', { customer: customer.id, decline: false });
  assert.equal((await stripe.invoices.pay(now.latest_invoice.id)).status, 'paid');
  assert.equal((await stripe.subscriptions.retrieve(subscription.id)).status, 'active');
});

check('trials, one-off payments, refunds, links and the portal work', async () => {
  const trial = await subscribed({
    subscription_data: { trial_period_days: 14, metadata: { operation: 'op-2' } },
  });
  assert.equal(trial.subscription.status, 'trialing');
  assert.equal(trial.session.payment_status, 'no_payment_required');

  const { product } = await sellable();
  const once = await stripe.prices.create({ product: product.id, currency: 'usd', unit_amount: 900 });
  const session = await stripe.checkout.sessions.create({
    mode: 'payment',
    line_items: [{ price: once.id, quantity: 2 }],
    success_url: 'http://127.0.0.1:1/done',
    payment_intent_data: { metadata: { operation: 'op-3' } },
    invoice_creation: { enabled: true },
  });
  await press(session, 'pay');
  const paid = await stripe.checkout.sessions.retrieve(session.id, { expand: ['payment_intent'] });
  assert.equal(paid.amount_total, 1800);
  assert.match(paid.invoice, /^in_/);
  const refund = await stripe.refunds.create({
    payment_intent: paid.payment_intent.id, amount: 300,
  });
  assert.equal(refund.status, 'succeeded');
  const charge = await stripe.charges.retrieve(refund.charge);
  assert.equal(charge.amount_refunded, 300);
  await assert.rejects(stripe.refunds.create({ charge: charge.id, amount: 1501 }),
    Stripe.errors.StripeInvalidRequestError);

  const link = await stripe.paymentLinks.create({
    line_items: [{
      price_data: { currency: 'usd', unit_amount: 700, product_data: { name: 'Once' } },
      quantity: 1,
    }],
    restrictions: { completed_sessions: { limit: 1 } },
    metadata: { operation: 'op-4' },
  });
  const opened = await fetch(link.url, { method: 'POST', redirect: 'manual' });
  await fetch(`${opened.headers.get('location')}/pay`, { method: 'POST', redirect: 'manual' });
  const [linked] = (await stripe.checkout.sessions.list({ payment_link: link.id })).data;
  assert.equal(linked.status, 'complete');
  assert.equal(linked.metadata.operation, 'op-4');
  assert.equal((await stripe.paymentLinks.retrieve(link.id)).active, false, 'its limit is reached');

  const portal = await stripe.billingPortal.sessions.create({
    customer: trial.customer.id, return_url: 'http://127.0.0.1:1/back',
  });
  await fetch(`${portal.url}/${trial.subscription.id}/cancel`, { method: 'POST' });
  assert.equal(
    (await stripe.subscriptions.retrieve(trial.subscription.id)).cancel_at_period_end, true);
});

check('sessions expire by request and by time, and only while open', async () => {
  const { session } = await open();
  assert.equal((await stripe.checkout.sessions.expire(session.id)).status, 'expired');
  await assert.rejects(stripe.checkout.sessions.expire(session.id),
    Stripe.errors.StripeInvalidRequestError);
  assert.equal((await press(session, 'pay')).status, 410);
  const { session: second } = await open();
  await control('POST', 'clock', { now: second.expires_at + 1 });
  assert.equal((await stripe.checkout.sessions.retrieve(second.id)).status, 'expired');
  const { now } = await control('GET', 'clock');
  for (const seconds of [29 * 60, 24 * 3600 + 60]) {
    await assert.rejects(open({ expires_at: now + seconds }),
      (error) => error.param === 'expires_at');
  }
  assert.ok((await open({ expires_at: now + 31 * 60 })).session.id);
  await assert.rejects(open({ payment_method_types: ['card'] }),
    (error) => error.code === 'parameter_unknown');
});

check('the ledger holds every request and effect', async () => {
  const { customer, session } = await subscribed();
  const effects = (await control('GET', 'ledger?kind=effect')).entries;
  const charged = effects.filter((e) => e.effect === 'charged' && e.customer === customer.id);
  assert.equal(charged.length, 1);
  assert.equal(charged[0].source, 'page');
  assert.equal(charged[0].amount, 2000);
  const requests = (await control('GET', 'ledger?kind=request')).entries;
  const made = requests.find((r) => r.path === '/v1/checkout/sessions' && r.method === 'POST'
    && r.params.customer === customer.id);
  assert.equal(made.idempotency_key, charged[0].idempotency_key,
    'a charge goes back to the request that opened its session');
  assert.equal(made.status, 200);
  const summary = await control('GET', 'summary');
  assert.equal(summary.keyless_posts, 0);
  assert.equal(session.status, 'complete');
});

await import('./stripe_judge_money.mjs');
