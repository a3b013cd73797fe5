import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { MirrorError } from '../../../src/imgapi/errors.ts';
import { createSeededBytes } from '../../support/image-bytes.ts';
import { until } from '../../support/wait-for.ts';
import { BYTES, FACTS, createBench, registryOf, take, wantedFrom } from './download-bench.ts';
import { factsOf } from './fake-disk.ts';
import { createFakeUpstream, fileOf, type FakeUpstream } from './fake-upstream.ts';

const upstreamOf = (name = 'up0', bytes = BYTES): FakeUpstream =>
  createFakeUpstream(name, { file: ({ offset }) => fileOf(bytes, { start: offset, chunkBytes: 30_000 }) });

test('the first is a MISS, those who come meanwhile JOIN, those after HIT: one upstream fetch, the same bytes', async () => {
  const bench = createBench();
  const upstream = upstreamOf();
  const downloads = registryOf(bench, [upstream]);
  const wanted = wantedFrom([upstream]);
  const herd = await Promise.all(Array.from({ length: 20 }, async () => downloads.obtain(wanted)));
  assert.deepEqual(herd.map(({ cache }) => cache).toSorted(), [...Array.from({ length: 19 }, () => 'JOIN'), 'MISS']);
  for (const blob of herd) assert.deepEqual((await take(blob)).bytes, BYTES);
  assert.ok((await Promise.all(herd.map(({ stored }) => stored))).every(Boolean));
  const hit = await downloads.obtain(wanted);
  assert.equal(hit.cache, 'HIT');
  assert.equal(hit.available, BYTES.length);
  assert.deepEqual(await take(hit), { bytes: BYTES, contentMd5: FACTS.md5 });
  assert.equal(upstream.files.length, 1);
  assert.deepEqual([bench.blobs.openCloses, bench.blobs.partials[0]?.closes, bench.space.given], [1, 1, 1]);
});

test('a download that ends while the store is being asked is not begun a second time', async () => {
  // The look into the store came before the commit, its answer after the end: without a second look the blob is fetched twice.
  const bench = createBench();
  const upstream = upstreamOf();
  const downloads = registryOf(bench, [upstream]);
  const wanted = wantedFrom([upstream]);
  const looked = Promise.withResolvers<void>();
  let isHeld = true;
  bench.blobs.afterLook = async () => {
    if (!isHeld) return;
    isHeld = false;
    await looked.promise;
  };
  const slow = downloads.obtain(wanted);
  await turn();
  const first = await downloads.obtain(wanted);
  assert.equal(first.cache, 'MISS');
  assert.deepEqual((await take(first)).bytes, BYTES);
  assert.equal(await first.stored, true);
  looked.resolve();
  const late = await slow;
  assert.equal(late.cache, 'HIT');
  assert.deepEqual((await take(late)).bytes, BYTES);
  assert.equal(upstream.files.length, 1);
});

test('a download that begins while the store is being asked is joined', async () => {
  const bench = createBench();
  const stall = Promise.withResolvers<void>();
  const upstream = createFakeUpstream('up0', { file: () => fileOf(BYTES, { gate: () => stall.promise }) });
  const downloads = registryOf(bench, [upstream]);
  const wanted = wantedFrom([upstream]);
  const looked = Promise.withResolvers<void>();
  let isHeld = true;
  bench.blobs.afterLook = async () => {
    if (!isHeld) return;
    isHeld = false;
    await looked.promise;
  };
  const slow = downloads.obtain(wanted);
  await turn();
  const first = await downloads.obtain(wanted);
  looked.resolve();
  const second = await slow;
  assert.deepEqual([first.cache, second.cache], ['MISS', 'JOIN']);
  stall.resolve();
  assert.deepEqual((await take(first)).bytes, BYTES);
  assert.deepEqual((await take(second)).bytes, BYTES);
});

test('a herd that comes while room is being asked for reserves it once', async () => {
  const bench = createBench();
  const upstream = upstreamOf();
  const downloads = registryOf(bench, [upstream]);
  const gate = Promise.withResolvers<void>();
  bench.space.gate = gate.promise;
  const herd = Array.from({ length: 5 }, async () => downloads.obtain(wantedFrom([upstream])));
  for (let turns = 0; turns < 3; turns++) await turn();
  gate.resolve();
  for (const blob of await Promise.all(herd)) assert.deepEqual((await take(blob)).bytes, BYTES);
  assert.deepEqual([bench.space.given, bench.space.held, upstream.files.length], [1, 0, 1]);
});

test('a failed download is forgotten: the next request tries again', async () => {
  const bench = createBench();
  const upstream = createFakeUpstream('up0', {
    file: (_request, attempt) => (attempt === 1 ? { kind: 'absent' } : fileOf(BYTES)),
  });
  const downloads = registryOf(bench, [upstream]);
  const wanted = wantedFrom([upstream]);
  const failed = await downloads.obtain(wanted);
  await assert.rejects(failed.headers, { code: 'UpstreamUnavailable' });
  assert.equal(await failed.stored, false);
  await failed.source.close();
  const again = await downloads.obtain(wanted);
  assert.equal(again.cache, 'MISS');
  assert.deepEqual((await take(again)).bytes, BYTES);
});

test('a store that cannot tell is never taken for "not there": the blob is passed through', async () => {
  const bench = createBench();
  const upstream = upstreamOf();
  const downloads = registryOf(bench, [upstream]);
  bench.blobs.beforeOpen = () => {
    throw new MirrorError('InternalError', 'EIO');
  };
  const passed = await downloads.obtain(wantedFrom([upstream]));
  assert.equal(passed.cache, 'PASS');
  assert.deepEqual((await take(passed)).bytes, BYTES);
  assert.equal(bench.blobs.partials.length, 0);
});

test('a source that sent wrong bytes is asked last for that blob, for ten minutes, and never left out', async () => {
  const bench = createBench();
  const lying = upstreamOf('lying', createSeededBytes('another', BYTES.length).read(0, BYTES.length));
  const honest = upstreamOf('honest');
  const downloads = registryOf(bench, [lying, honest]);
  const wanted = wantedFrom([lying, honest]);
  const bad = await downloads.obtain(wanted);
  await assert.rejects(take(bad), { code: 'DownloadFailed' });
  assert.equal(await bad.stored, false);
  assert.deepEqual(
    bench.ends.map(({ result }) => result),
    ['mismatch'],
  );
  const good = await downloads.obtain(wanted);
  assert.deepEqual((await take(good)).bytes, BYTES);
  assert.deepEqual([lying.files.length, honest.files.length], [1, 1]);
  bench.blobs.stored.clear();
  const alone = await downloads.obtain(wantedFrom([lying]));
  await assert.rejects(take(alone), { code: 'DownloadFailed' });
  assert.equal(lying.files.length, 2);
});

test('more downloads than allowed at once are refused, and one that has ended makes room', async () => {
  const bench = createBench();
  const stall = Promise.withResolvers<void>();
  const other = createSeededBytes('other', 1000).read(0, 1000);
  const upstream = createFakeUpstream('up0', {
    file: (_request, attempt) => (attempt === 1 ? fileOf(BYTES, { gate: () => stall.promise }) : fileOf(other)),
  });
  const downloads = registryOf(bench, [upstream], { maxRunning: 1 });
  const first = await downloads.obtain(wantedFrom([upstream]));
  await until(() => upstream.files.length === 1);
  await assert.rejects(downloads.obtain(wantedFrom([upstream], other)), { code: 'DownloadQueueFull', statusCode: 503 });
  const joined = await downloads.obtain(wantedFrom([upstream]));
  assert.equal(joined.cache, 'JOIN');
  stall.resolve();
  await Promise.all([take(first), take(joined)]);
  await first.stored;
  assert.deepEqual((await take(await downloads.obtain(wantedFrom([upstream], other)))).bytes, other);
});

test('a burst of different blobs does not slip past the bound while room is asked for', async () => {
  const bench = createBench();
  const stall = Promise.withResolvers<void>();
  const upstream = createFakeUpstream('up0', { file: () => fileOf(BYTES, { gate: () => stall.promise }) });
  const downloads = registryOf(bench, [upstream], { maxRunning: 1 });
  const others = [1, 2].map((n) => createSeededBytes(`burst ${n}`, 1000).read(0, 1000));
  const burst = [BYTES, ...others].map(async (bytes) => downloads.obtain(wantedFrom([upstream], bytes)));
  const results = await Promise.allSettled(burst);
  const refused = results.filter((result) => result.status === 'rejected');
  assert.equal(refused.length, 2);
  stall.resolve();
  const [first] = results;
  assert.ok(first?.status === 'fulfilled');
  assert.deepEqual((await take(first.value)).bytes, BYTES);
});

test('a manifest that gives running bytes another size waits for no download: its upstream decides at once', async () => {
  const bench = createBench();
  const stall = Promise.withResolvers<void>();
  const slow = createFakeUpstream('slow', { file: () => fileOf(BYTES, { gate: () => stall.promise }) });
  const downloads = registryOf(bench, [slow, upstreamOf()]);
  const running = await downloads.obtain(wantedFrom([slow]));
  const other = await downloads.obtain({ ...wantedFrom([upstreamOf()]), size: BYTES.length + 1 });
  assert.equal(other.cache, 'PASS');
  await assert.rejects(other.headers, { code: 'UpstreamUnavailable', message: /manifest says/ });
  await other.source.close();
  assert.equal(bench.ends.length, 0, 'the download runs on');
  stall.resolve();
  assert.deepEqual((await take(running)).bytes, BYTES);
});

test('the right size of bytes whose download runs under a wrong one is served beside it', async () => {
  const bench = createBench();
  const stall = Promise.withResolvers<void>();
  const offering = createFakeUpstream('wrong', {
    file: () => fileOf(BYTES, { totalSize: BYTES.length + 1, gate: () => stall.promise }),
  });
  const right = upstreamOf('right');
  const downloads = registryOf(bench, [offering, right]);
  const running = await downloads.obtain({ ...wantedFrom([offering]), size: BYTES.length + 1 });
  const blob = await downloads.obtain(wantedFrom([right]));
  assert.equal(blob.cache, 'PASS');
  assert.deepEqual((await take(blob)).bytes, BYTES);
  assert.equal(bench.ends.length, 0);
  const closing = downloads.close();
  stall.resolve();
  await closing;
  await running.source.close();
});

test('without anybody to ask the answer is 503 at once', async () => {
  const downloads = registryOf(createBench(), []);
  await assert.rejects(downloads.obtain(wantedFrom([])), { code: 'ServiceUnavailableError' });
});

test('what runs can be seen: how many, how many followers, how far', async () => {
  const bench = createBench();
  const stall = Promise.withResolvers<void>();
  const gate = (at: number): Promise<void> | void => (at >= 60_000 ? stall.promise : undefined);
  const upstream = createFakeUpstream('up0', { file: () => fileOf(BYTES, { chunkBytes: 30_000, gate }) });
  const downloads = registryOf(bench, [upstream]);
  const blobs = [await downloads.obtain(wantedFrom([upstream])), await downloads.obtain(wantedFrom([upstream]))];
  await until(() => downloads.progressOf(FACTS.sha1) === 60_000);
  const [running] = [...downloads.running];
  assert.equal(running?.followers, 2);
  const late = await downloads.obtain(wantedFrom([upstream]));
  assert.equal(late.available, 60_000);
  stall.resolve();
  await Promise.all([...blobs, late].map(take));
  await blobs[0]?.stored;
  assert.deepEqual([[...downloads.running].length, downloads.progressOf(FACTS.sha1)], [0, undefined]);
});

test('blobs of different names do not wait for one another', async () => {
  const bench = createBench();
  const stall = Promise.withResolvers<void>();
  const other = createSeededBytes('other', 1000).read(0, 1000);
  const slow = createFakeUpstream('slow', { file: () => fileOf(BYTES, { gate: () => stall.promise }) });
  const fast = upstreamOf('fast', other);
  const downloads = registryOf(bench, [slow, fast]);
  const waiting = await downloads.obtain(wantedFrom([slow]));
  const blob = await downloads.obtain(wantedFrom([fast], other));
  assert.equal(blob.cache, 'MISS');
  assert.deepEqual((await take(blob)).bytes, other);
  assert.equal(factsOf(other).size, 1000);
  stall.resolve();
  await take(waiting);
});
