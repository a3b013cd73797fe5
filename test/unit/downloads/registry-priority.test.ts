import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { until } from '../../support/wait-for.ts';
import { createSeededBytes } from '../../support/image-bytes.ts';
import { BYTES, SIZE, createBench, drain, registryOf, take, wantedFrom } from './download-bench.ts';
import { createFakeUpstream, fileOf, type FakeUpstream } from './fake-upstream.ts';

const OTHER = createSeededBytes('another blob', SIZE).read(0, SIZE);
const THIRD = createSeededBytes('a third blob', SIZE).read(0, SIZE);

/** Answers with the blobs in the order they are asked for, each held up until it is let go. */
function gatedUpstream(blobs: readonly Buffer[]): { readonly upstream: FakeUpstream; readonly letGo: () => void } {
  const gate = Promise.withResolvers<void>();
  const upstream = createFakeUpstream('up0', {
    file: (_request, attempt) => fileOf(blobs[attempt - 1] ?? BYTES, { gate: async () => gate.promise }),
  });
  return { upstream, letGo: () => gate.resolve() };
}

test('prefetches beyond their slots wait, and hold up no demand', async () => {
  const bench = createBench();
  const { upstream, letGo } = gatedUpstream([BYTES, THIRD, OTHER]);
  const downloads = registryOf(bench, [upstream]);
  const first = await downloads.obtain({ ...wantedFrom([upstream]), priority: 'prefetch' });
  await until(() => upstream.files.length === 1);
  const second = await downloads.obtain({ ...wantedFrom([upstream], OTHER), priority: 'prefetch' });
  const demanded = await downloads.obtain(wantedFrom([upstream], THIRD));
  await until(() => upstream.files.length === 2);
  assert.deepEqual(
    upstream.files.map(({ urgency }) => urgency?.priority),
    ['prefetch', 'demand'],
  );
  letGo();
  assert.deepEqual((await take(demanded)).bytes, THIRD);
  for (const blob of [first, second]) {
    assert.equal(await blob.stored, true);
    await blob.source.close();
  }
  assert.equal(upstream.files.length, 3);
});

test('a client that joins a prefetch makes it a demand, running or waiting; another prefetch does not', async () => {
  const bench = createBench();
  const { upstream, letGo } = gatedUpstream([BYTES, OTHER]);
  const downloads = registryOf(bench, [upstream]);
  const first = await downloads.obtain({ ...wantedFrom([upstream]), priority: 'prefetch' });
  await until(() => upstream.files.length === 1);
  const second = await downloads.obtain({ ...wantedFrom([upstream], OTHER), priority: 'prefetch' });
  const priorities = (): string[] => [...downloads.running].map(({ priority }) => priority);
  const again = await downloads.obtain({ ...wantedFrom([upstream]), priority: 'prefetch' });
  assert.equal(again.cache, 'JOIN');
  assert.deepEqual(priorities(), ['prefetch', 'prefetch']);
  const waiting = await downloads.obtain(wantedFrom([upstream], OTHER));
  await until(() => upstream.files.length === 2);
  const running = await downloads.obtain(wantedFrom([upstream]));
  assert.deepEqual(priorities(), ['demand', 'demand']);
  assert.deepEqual(
    upstream.files.map(({ urgency }) => urgency?.priority),
    ['demand', 'demand'],
  );
  letGo();
  assert.deepEqual([(await take(running)).bytes, (await take(waiting)).bytes], [BYTES, OTHER]);
  for (const blob of [first, second, again]) await blob.source.close();
});

test('a prefetch without room on disk fails, it is not passed through', async () => {
  const bench = createBench();
  const { upstream } = gatedUpstream([]);
  const downloads = registryOf(bench, [upstream]);
  bench.space.isFull = true;
  await assert.rejects(downloads.obtain({ ...wantedFrom([upstream]), priority: 'prefetch' }), {
    code: 'StorageFailed',
  });
  assert.deepEqual([upstream.files.length, bench.passed.length], [0, 0]);
});

test('a prefetch whose disk fails fails with it', async () => {
  const bench = createBench();
  const { upstream, letGo } = gatedUpstream([BYTES]);
  const downloads = registryOf(bench, [upstream]);
  bench.blobs.resumePartial = async () => {
    throw new Error('EIO');
  };
  letGo();
  const blob = await downloads.obtain({ ...wantedFrom([upstream]), priority: 'prefetch' });
  await assert.rejects(drain(blob.source), { code: 'StorageFailed' });
  assert.equal(await blob.stored, false);
  await turn();
  assert.deepEqual(bench.passed, []);
});
