import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../../support/wait-for.ts';
import {
  BYTES,
  FACTS,
  REQUEST_ID,
  SIZE,
  assertNothingLeft,
  createBench,
  drain,
  startOn,
  upstreamOf,
} from './download-bench.ts';
import { createFakeUpstream, fileOf } from './fake-upstream.ts';

test('a download is stored with its digests, its source and its time, and tells how long it took', async () => {
  const bench = createBench();
  const { download } = await startOn(bench, [
    upstreamOf({ gate: () => void (bench.clock += 2500), contentMd5: FACTS.md5 }),
  ]);
  const { headers, source } = download.follow();
  assert.deepEqual(await headers, { contentMd5: FACTS.md5 });
  assert.deepEqual(await drain(source), BYTES);
  assert.deepEqual(await download.ended, { result: 'stored', seconds: 2.5, isMixed: false });
  assert.deepEqual(bench.ends, [{ result: 'stored', seconds: 2.5, isMixed: false }]);
  assert.deepEqual(bench.blobs.stored.get(FACTS.sha1), {
    bytes: BYTES,
    facts: { ...FACTS, source: 'up0', arrivedAt: '2026-01-01T00:00:02.500Z' },
  });
  const [line] = bench.log.linesOf(/download stored/);
  assert.equal(line?.fields['reqId'], REQUEST_ID);
  assertNothingLeft(bench);
});

test('the descriptor is closed once, when the download has ended and its last follower has left', async () => {
  const bench = createBench();
  const { download } = await startOn(bench, [upstreamOf()]);
  const [one, other] = [download.follow(), download.follow()];
  await download.ended;
  const [file] = bench.blobs.partials;
  assert.equal(file?.closes, 0);
  assert.deepEqual(await drain(one.source), BYTES);
  assert.equal(file?.closes, 0);
  assert.deepEqual(await drain(other.source), BYTES);
  assert.equal(file?.closes, 1);
  await other.source.close();
  assert.equal(file?.closes, 1);
});

test('without a follower the descriptor is closed at the end', async () => {
  const bench = createBench();
  const { download } = await startOn(bench, [upstreamOf()]);
  await download.follow().source.close();
  assert.equal((await download.ended).result, 'stored');
  assertNothingLeft(bench);
});

test('a descriptor that does not close is a line in the log, no more', async () => {
  const bench = createBench();
  bench.blobs.onPartial = (file) => {
    file.handle.close = async () => {
      throw new Error('EIO');
    };
  };
  const { download } = await startOn(bench, [upstreamOf()]);
  assert.equal((await download.ended).result, 'stored');
  await until(() => bench.log.linesOf(/could not close/).length === 1);
});

test('a joiner at the very end has all of it', async () => {
  const bench = createBench();
  const hashed = Promise.withResolvers<void>();
  bench.digester.gate = hashed.promise;
  const { download } = await startOn(bench, [upstreamOf()]);
  await until(() => download.written === SIZE);
  const late = download.follow();
  hashed.resolve();
  assert.deepEqual(await drain(late.source), BYTES);
  await download.ended;
  assertNothingLeft(bench);
});

test('short writes lose nothing', async () => {
  const bench = createBench();
  bench.blobs.onPartial = (file) => {
    file.maxWriteBytes = 10_007;
  };
  const { download } = await startOn(bench, [upstreamOf({ chunkBytes: 40_000 })]);
  assert.deepEqual(await drain(download.follow().source), BYTES);
  assert.equal((await download.ended).result, 'stored');
});

test('with finishAbandoned off the download ends with its last follower, not with one of two', async () => {
  const bench = createBench();
  const stall = Promise.withResolvers<void>();
  const { download } = await startOn(bench, [upstreamOf({ chunkBytes: 100_000, gate: () => stall.promise })], false);
  const [one, other] = [download.follow(), download.follow()];
  await one.source.close();
  stall.resolve();
  assert.deepEqual(await drain(other.source), BYTES);
  assert.equal((await download.ended).result, 'stored');
});

test('an MD5 that is none is not passed on', async () => {
  const bench = createBench();
  const { download } = await startOn(bench, [upstreamOf({ contentMd5: 'abc\r\nx-evil: 1' })]);
  const { headers, source } = download.follow();
  assert.equal((await headers).contentMd5, undefined);
  assert.deepEqual(await drain(source), BYTES);
});

test('the rest of another source is named as a source too', async () => {
  const bench = createBench();
  const first = createFakeUpstream('up0', {
    file: (_request, attempt) => (attempt === 1 ? fileOf(BYTES, { cutAt: 90_000 }) : { kind: 'absent' }),
  });
  const second = createFakeUpstream('up1', { file: ({ offset }) => fileOf(BYTES, { start: offset }) });
  const { download } = await startOn(bench, [first, second]);
  assert.deepEqual(await drain(download.follow().source), BYTES);
  assert.equal(bench.blobs.stored.get(FACTS.sha1)?.facts.source, 'up0,up1');
});
