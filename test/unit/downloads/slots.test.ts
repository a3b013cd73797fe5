import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { createSlots } from '../../../src/downloads/slots.ts';
import { createUrgency } from '../../../src/upstream/urgency.ts';

const never = new AbortController().signal;
const few = { upstream: 'up0', count: 2, waitMs: 60_000, maxWaiting: 3 };

test('as many as there are slots go at once; the next waits until one is given back', async () => {
  const slots = createSlots(few);
  const first = await slots.take(never);
  await slots.take(never);
  assert.deepEqual([slots.inUse, slots.waiting], [2, 0]);
  let isIn = false;
  const third = slots.take(never).then((release) => {
    isIn = true;
    return release;
  });
  await turn();
  assert.deepEqual([isIn, slots.inUse, slots.waiting], [false, 2, 1]);
  first();
  await third;
  assert.deepEqual([slots.inUse, slots.waiting], [2, 0]);
});

test('who waited longest is next, and nobody slips in before', async () => {
  const slots = createSlots({ ...few, count: 1 });
  const order: string[] = [];
  const first = await slots.take(never);
  const queue = ['a', 'b'].map(async (name) => {
    const release = await slots.take(never);
    order.push(name);
    release();
  });
  await turn();
  first();
  // Comes in the very turn in which the slot is handed over.
  const late = (async () => {
    const release = await slots.take(never);
    order.push('late');
    release();
  })();
  await Promise.all([...queue, late]);
  assert.deepEqual(order, ['a', 'b', 'late']);
  assert.deepEqual([slots.inUse, slots.waiting], [0, 0]);
});

test('a slot given back twice is one slot', async () => {
  const slots = createSlots({ ...few, count: 1 });
  const release = await slots.take(never);
  release();
  await slots.take(never);
  release();
  assert.equal(slots.inUse, 1);
});

test('who waits too long is told so, with the upstream, and leaves the line', async () => {
  const slots = createSlots({ ...few, count: 1, waitMs: 20 });
  const release = await slots.take(never);
  await assert.rejects(slots.take(never), { code: 'DownloadQueueFull', statusCode: 503, message: /up0.*0\.02 s/ });
  assert.deepEqual([slots.inUse, slots.waiting], [1, 0]);
  release();
  assert.equal(slots.inUse, 0);
});

test('who has patience waits as long as it takes, in the same line, and until it leaves', async () => {
  const slots = createSlots({ ...few, count: 1, waitMs: 20 });
  const release = await slots.take(never);
  const gone = new AbortController();
  const [patient, leaving] = [slots.take(never, undefined, true), slots.take(gone.signal, undefined, true)];
  await assert.rejects(slots.take(never), { code: 'DownloadQueueFull' });
  assert.equal(slots.waiting, 2);
  gone.abort();
  await assert.rejects(leaving, { code: 'DownloadQueueFull' });
  release();
  (await patient)();
  assert.deepEqual([slots.inUse, slots.waiting], [0, 0]);
});

test('the line itself is bounded', async () => {
  const slots = createSlots({ ...few, count: 1, maxWaiting: 1 });
  const release = await slots.take(never);
  const second = slots.take(never);
  await assert.rejects(slots.take(never), { code: 'DownloadQueueFull' });
  release();
  (await second)();
  assert.equal(slots.inUse, 0);
});

test('who is aborted while waiting leaves the line, and the slot goes to the next', async () => {
  const slots = createSlots({ ...few, count: 1 });
  const release = await slots.take(never);
  const gone = new AbortController();
  const left = slots.take(gone.signal);
  const next = slots.take(never);
  await turn();
  gone.abort();
  await assert.rejects(left, { code: 'DownloadQueueFull' });
  assert.equal(slots.waiting, 1);
  release();
  (await next)();
  assert.deepEqual([slots.inUse, slots.waiting], [0, 0]);
});

test('an abort in the turn in which the slot is handed over loses no slot', async () => {
  const slots = createSlots({ ...few, count: 1 });
  const release = await slots.take(never);
  const gone = new AbortController();
  const waiting = slots.take(gone.signal);
  await turn();
  release();
  gone.abort();
  // It may have it or be refused; either way the slot must come back.
  (await waiting.catch(() => undefined))?.();
  assert.deepEqual([slots.inUse, slots.waiting], [0, 0]);
});

test('who has been aborted already takes nothing', async () => {
  const slots = createSlots(few);
  await assert.rejects(slots.take(AbortSignal.abort(new Error('gone before'))), { message: 'gone before' });
  assert.equal(slots.inUse, 0);
});

test('prefetches have slots of their own: neither kind waits for the other', async () => {
  const slots = createSlots({ ...few, count: 1, prefetchCount: 1, waitMs: 20 });
  const prefetched = await slots.take(never, createUrgency('prefetch'));
  const demanded = await slots.take(never);
  assert.deepEqual([slots.inUse, slots.waiting], [2, 0]);
  let isIn = false;
  const gone = new AbortController();
  const second = slots.take(gone.signal, createUrgency('prefetch')).finally(() => (isIn = true));
  await assert.rejects(slots.take(never), { code: 'DownloadQueueFull' }, 'a demand waits for so long and no longer');
  demanded();
  await turn();
  assert.deepEqual([isIn, slots.waiting], [false, 1], 'a prefetch waits for its own kind, and on');
  prefetched();
  (await second)();
  assert.deepEqual([slots.inUse, slots.waiting], [0, 0]);
});

test('a running prefetch that becomes a demand frees its slot, and goes on even if all of demand’s are taken', async () => {
  const slots = createSlots({ ...few, count: 1, prefetchCount: 1 });
  const urgency = createUrgency('prefetch');
  const joined = await slots.take(never, urgency);
  const demanded = await slots.take(never);
  const next = slots.take(never, createUrgency('prefetch'));
  await turn();
  urgency.upgrade();
  const prefetched = await next;
  assert.equal(slots.inUse, 3);
  const waiting = slots.take(never);
  demanded();
  await turn();
  assert.equal(slots.waiting, 1, 'there is one demand too many still');
  joined();
  (await waiting)();
  prefetched();
  joined();
  assert.deepEqual([slots.inUse, slots.waiting], [0, 0]);
});

test('a waiting prefetch that becomes a demand waits no longer for the prefetchers', async () => {
  const slots = createSlots({ ...few, count: 1, prefetchCount: 1, waitMs: 20 });
  const prefetched = await slots.take(never, createUrgency('prefetch'));
  const [first, second] = [createUrgency('prefetch'), createUrgency('prefetch')];
  const waiting = slots.take(never, first);
  const late = slots.take(never, second);
  await turn();
  first.upgrade();
  const demanded = await waiting;
  // From now on it waits as demands do: for a bounded time.
  second.upgrade();
  await assert.rejects(late, { code: 'DownloadQueueFull' });
  demanded();
  prefetched();
  assert.deepEqual([slots.inUse, slots.waiting], [0, 0]);
});

test('an upgrade in the turn in which a prefetch gets its slot loses none', async () => {
  const slots = createSlots({ ...few, count: 1, prefetchCount: 1 });
  const prefetched = await slots.take(never, createUrgency('prefetch'));
  const urgency = createUrgency('prefetch');
  const waiting = slots.take(never, urgency);
  await turn();
  prefetched();
  urgency.upgrade();
  const release = await waiting;
  const third = await slots.take(never, createUrgency('prefetch'));
  assert.equal(slots.inUse, 2);
  release();
  third();
  assert.deepEqual([slots.inUse, slots.waiting], [0, 0]);
});
