import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createCatalog } from '../../../src/catalog/catalog.ts';
import { catalogBench, catalogUpstream, imageOf, listOf } from './fake-catalog.ts';

test('an upstream that hangs from the start is waited for once, not by everybody who asks', async (t) => {
  const bench = catalogBench(t);
  const [hanging, good] = [catalogUpstream('up0'), catalogUpstream('up1')];
  hanging.onList = async ({ signal }) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason));
    });
  good.onList = () => listOf([imageOf(1)]);
  const catalog = createCatalog(
    { ...bench, upstreams: [hanging, good], now: () => bench.clock, random: () => 0 },
    { refreshEveryMs: 3_600_000, firstWaitMs: 50 },
  );
  t.after(async () => catalog.close());
  await catalog.start();
  assert.equal((await catalog.view(undefined)).snapshot.size, 1);
  const startedAtMs = performance.now();
  for (let times = 0; times < 200; times++) await catalog.view(undefined);
  // A wait of its own for each would be ten seconds.
  assert.ok(performance.now() - startedAtMs < 5_000);
});
