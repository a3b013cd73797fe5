import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClockCheck } from '../../../src/upstream/clock-check.ts';
import type { HttpClient, HttpRequest } from '../../../src/upstream/http-client.ts';
import { createCaptureLog } from '../../support/capture-log.ts';

const NOW = Date.parse('2030-01-01T12:00:00Z');
const REQUEST: HttpRequest = { kind: 'ping', path: '/ping', headers: {}, signal: AbortSignal.abort() };

function bench(): {
  log: ReturnType<typeof createCaptureLog>;
  skewAfter: (headers: Record<string, string>) => Promise<number | undefined>;
} {
  const log = createCaptureLog();
  let headers: Record<string, string> = {};
  const http: HttpClient = {
    get: async () => ({
      status: 200,
      header: (name) => headers[name],
      body: (async function* () {})(),
      async discard() {},
    }),
    async close() {},
  };
  const clocks = createClockCheck({ log, now: () => NOW });
  const watched = clocks.watch('up', http);
  return {
    log,
    async skewAfter(next) {
      headers = next;
      await watched.get(REQUEST);
      return clocks.skewMs('up');
    },
  };
}

test('an upstream’s Date tells how far this clock is ahead; without a Date nothing is known', async () => {
  const { skewAfter, log } = bench();
  assert.equal(await skewAfter({}), undefined);
  assert.equal(await skewAfter({ date: 'nonsense' }), undefined);
  assert.equal(await skewAfter({ date: 'Tue, 01 Jan 2030 11:59:30 GMT' }), 30_000);
  assert.deepEqual(log.linesOf(/clock/), []);
});

test('more than five minutes is one line in the log, not one per answer, and one again after it was right', async () => {
  const { skewAfter, log } = bench();
  const [wrong, right] = [{ date: 'Tue, 01 Jan 2030 12:10:00 GMT' }, { date: 'Tue, 01 Jan 2030 12:00:00 GMT' }];
  assert.equal(await skewAfter(wrong), -600_000);
  await skewAfter(wrong);
  assert.deepEqual(
    log.linesOf(/clock/).map(({ fields }) => fields),
    [{ upstream: 'up', skewSeconds: -600 }],
  );
  await skewAfter(right);
  await skewAfter(wrong);
  assert.equal(log.linesOf(/clock/).length, 2);
});

test('an answer out of a cache is as old as its Age says', async () => {
  const { skewAfter } = bench();
  assert.equal(await skewAfter({ date: 'Tue, 01 Jan 2030 11:00:00 GMT', age: '3600' }), 0);
});
