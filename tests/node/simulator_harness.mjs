// Starts the simulator named by STRIPESIM_BIN on a free port, Stripe's client pointed at it, and a receiver of its webhooks; and what
// the judge's checks share. Counts the checks and prints "N passed, N failed" at the end.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import Stripe from 'stripe';

const START_TIMEOUT_MS = 10_000;
const WAIT_TIMEOUT_MS = 10_000;
export const OLD_VERSION = '2024-06-20';

let passed = 0;
let failed = 0;
process.on('exit', () => console.log(`${passed} passed, ${failed} failed`));

export const check = (name, body) =>
  test(name, async () => {
    try {
      await body();
      passed += 1;
    } catch (error) {
      failed += 1;
      throw error;
    }
  });

// Polls until `probe` gives something truthy; bounded.
export async function until(what, probe) {
  const deadline = Date.now() + WAIT_TIMEOUT_MS;
  for (;;) {
    const value = await probe();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`timed out waiting for ${what}`);
    await delay(10);
  }
}

export let simulator;
let directory;
export let port;
export let stripe;
export let receiver;
export const deliveries = [];

export const url = (path) => `http://127.0.0.1:${port}${path}`;

export async function control(method, path, body) {
  const answer = await fetch(url(`/_sim/${path}`), {
    method,
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  assert.equal(answer.status, 200, `${method} /_sim/${path}: ${await answer.clone().text()}`);
  return answer.json();
}

export const fault = (action, match, more = {}) =>
  control('POST', 'faults', [{ action, match: { count: 1, ...match }, ...more }]);

before(async () => {
  assert.ok(process.env.STRIPESIM_BIN, 'STRIPESIM_BIN must name the simulator');
  directory = await mkdtemp(join(tmpdir(), 'stripe-judge-'));
  const portFile = join(directory, 'port');
  const environment = { ...process.env };
  for (const name of Object.keys(environment)) {
    if (name.startsWith('STRIPE') && name !== 'STRIPESIM_SCHEMAS') delete environment[name];
  }
  simulator = spawn(
    process.env.STRIPESIM_BIN,
    ['--listen', '127.0.0.1:0', '--port-file', portFile, '--webhook-retry-base-ms=20'],
    { stdio: ['ignore', 'ignore', 'inherit'], env: environment },
  );
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!port) {
    if (simulator.exitCode !== null) throw new Error(`simulator ended: ${simulator.exitCode}`);
    if (Date.now() > deadline) throw new Error('simulator did not start');
    port = Number(await readFile(portFile, 'utf8').catch(() => '')) || undefined;
    if (!port) await delay(10);
  }
  stripe = new Stripe('sk_test_judge', {
    host: '127.0.0.1',
    port,
    protocol: 'http',
    maxNetworkRetries: 0,
    telemetry: false,
  });
  receiver = createServer((request, response) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      const refuse = receiver.refusals > 0;
      if (refuse) receiver.refusals -= 1;
      deliveries.push({
        path: request.url,
        signature: request.headers['stripe-signature'],
        body: Buffer.concat(chunks),
        refused: refuse,
      });
      response.statusCode = refuse ? 503 : 200;
      response.end();
    });
  });
  receiver.refusals = 0;
  await new Promise((resolve) => receiver.listen(0, '127.0.0.1', resolve));
});

after(async () => {
  receiver?.close();
  receiver?.closeAllConnections();
  if (simulator && simulator.exitCode === null) {
    const ended = new Promise((resolve) => simulator.once('exit', resolve));
    simulator.kill('SIGTERM');
    const code = await ended;
    if (code !== 0) {
      failed += 1;
      process.exitCode = 1;
      console.log(`simulator ended with ${code}`);
    }
  }
  if (directory) await rm(directory, { recursive: true, force: true });
});

export async function sellable() {
  const product = await stripe.products.create({ name: 'Pro', metadata: { plan: 'pro' } });
  const price = await stripe.prices.create({
    product: product.id,
    currency: 'usd',
    unit_amount: 2000,
    recurring: { interval: 'month' },
  });
  return { product, price };
}

export async function open(extra = {}) {
  const { price } = await sellable();
  const customer = await stripe.customers.create({ email: 'judge@example.com' });
  const session = await stripe.checkout.sessions.create({
    mode: 'subscription',
    customer: customer.id,
    line_items: [{ price: price.id, quantity: 1 }],
    success_url: 'http://127.0.0.1:1/done?session={CHECKOUT_SESSION_ID}',
    cancel_url: 'http://127.0.0.1:1/left',
    metadata: { operation: 'op-1' },
    subscription_data: { metadata: { operation: 'op-1' } },
    ...extra,
  });
  return { customer, price, session };
}

export const press = (session, button) =>
  fetch(url(`/pay/${session.id}/${button}`), { method: 'POST', redirect: 'manual' });

export async function subscribed(extra) {
  const bought = await open(extra);
  assert.equal((await press(bought.session, 'pay')).status, 303);
  const session = await stripe.checkout.sessions.retrieve(bought.session.id, {
    expand: ['subscription'],
  });
  return { ...bought, session, subscription: session.subscription };
}
