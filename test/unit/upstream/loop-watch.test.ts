import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLoopWatch, type LoopWatch } from '../../../src/upstream/loop-watch.ts';
import { unavailable } from '../../../src/upstream/unavailable.ts';
import type { Upstream } from '../../../src/upstream/upstream.ts';
import { createVia, type Via } from '../../../src/upstream/via.ts';
import { until } from '../../support/wait-for.ts';
import { catalogUpstream, listOf, uuidOf } from '../catalog/fake-catalog.ts';

const request = { requestId: 'r1', signal: new AbortController().signal };
const lookup = { ...request, uuid: uuidOf(1), channel: undefined };
const loop = { code: 'LoopDetected', message: /upstream up0 leads back to this mirror/ };

interface Bench {
  readonly via: Via;
  readonly watch: LoopWatch;
  readonly guarded: Upstream;
  /** What a ping says now: the `Via` of its answer, `none` for an answer without one, `down` for no answer. */
  pingSays: string;
  pings: number;
  clock: number;
}

function createBench(manifest: (signal: AbortSignal) => Promise<never>): Bench {
  const via = createVia('me');
  const bench = { via, pingSays: 'none', pings: 0, clock: 0 };
  const watch = createLoopWatch({ via, monotonicNow: () => bench.clock }, { firstWaitMs: 1 });
  const guarded = watch.guard({
    ...catalogUpstream('up0'),
    manifest: async ({ signal }) => manifest(signal),
    async ping() {
      bench.pings += 1;
      if (bench.pingSays === 'down') throw unavailable('up0', 'connect', 'ECONNREFUSED');
      via.learn('up0', bench.pingSays === 'none' ? undefined : bench.pingSays);
    },
  });
  return Object.assign(bench, { watch, guarded });
}

async function hanging(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(unavailable('up0', 'aborted', 'given up')), { once: true });
  });
}

test('a request that waits is ended as soon as a ping tells that its upstream waits for us', async () => {
  const bench = createBench(hanging);
  bench.pingSays = '1.1 imgapi-mirror-other, 1.1 imgapi-mirror-me';
  const waiting = bench.guarded.manifest(lookup);
  bench.watch.suspect();
  await assert.rejects(waiting, loop);
});

test('who asks an upstream that leads back is told at once, and it is asked now and then whether it still does', async () => {
  let asked = 0;
  const bench = createBench(async () => {
    asked += 1;
    throw unavailable('up0', 'status', 'answered 503');
  });
  bench.pingSays = '1.1 imgapi-mirror-me';
  bench.via.learn('up0', bench.pingSays);
  for (let times = 0; times < 5; times++) await assert.rejects(bench.guarded.manifest(lookup), loop);
  assert.deepEqual([asked, bench.pings], [0, 1]);
  bench.clock += 1_000;
  bench.pingSays = 'none';
  await assert.rejects(bench.guarded.manifest(lookup), { code: 'UpstreamUnavailable' });
  assert.deepEqual([asked, bench.pings], [1, 2]);
});

test('an upstream that does not answer pings is asked, and its own failure told', async () => {
  const bench = createBench(async () => {
    throw unavailable('up0', 'connect', 'ECONNREFUSED');
  });
  bench.via.learn('up0', '1.1 imgapi-mirror-me');
  bench.pingSays = 'down';
  await assert.rejects(bench.guarded.manifest(lookup), { code: 'UpstreamUnavailable', message: /ECONNREFUSED/ });
});

test('without a mirror that asks us nobody is pinged, however long an answer takes', async (t) => {
  const bench = createBench(hanging);
  const left = new AbortController();
  const waiting = bench.guarded.manifest({ ...lookup, signal: left.signal });
  t.mock.timers.enable({ apis: ['setTimeout'] });
  t.mock.timers.tick(60_000);
  assert.equal(bench.pings, 0);
  left.abort();
  await assert.rejects(waiting, { code: 'UpstreamUnavailable' });
});

test('an upstream that is no mirror is waited for, and pinged ever more seldom, until it answers', async () => {
  const gate = Promise.withResolvers<void>();
  const bench = createBench(hanging);
  const slow = bench.watch.guard({
    ...catalogUpstream('slow'),
    async list() {
      await gate.promise;
      return listOf([]);
    },
    ping: async () => void (bench.pings += 1),
  });
  bench.watch.suspect();
  const waiting = slow.list({ ...request, channel: undefined, validators: {} });
  await until(() => bench.pings >= 3);
  gate.resolve();
  assert.equal((await waiting).kind, 'list');
});
