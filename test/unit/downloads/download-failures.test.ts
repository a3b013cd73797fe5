import assert from 'node:assert/strict';
import { test } from 'node:test';
import { storageError } from '../../../src/blobs/errno.ts';
import { setImmediate as turn } from 'node:timers/promises';
import { MirrorError } from '../../../src/imgapi/errors.ts';
import { until } from '../../support/wait-for.ts';
import { BYTES, FACTS, SIZE, assertNothingLeft, createBench, drain, startOn, upstreamOf } from './download-bench.ts';
import { createFakeUpstream, fileOf, refusal } from './fake-upstream.ts';

test('wrong bytes: followers fail without the tail, the file is quarantined, the upstream is named', async () => {
  const bench = createBench();
  const wrong = Buffer.from(BYTES);
  wrong[SIZE - 1] = (wrong[SIZE - 1] ?? 0) ^ 1;
  const { download, wrongBytesOf } = await startOn(bench, [upstreamOf({}, wrong)]);
  const { headers, source } = download.follow();
  await headers;
  let read = 0;
  const reading = (async () => {
    const buffer = Buffer.alloc(SIZE);
    for (;;) read += await source.read(buffer, read, SIZE, new AbortController().signal);
  })();
  await assert.rejects(reading, { code: 'DownloadFailed', message: /up0/ });
  assert.ok(read <= SIZE - 65_536);
  assert.equal((await download.ended).result, 'mismatch');
  assert.deepEqual(wrongBytesOf, [['up0']]);
  assert.equal(bench.blobs.stored.size, 0);
  assert.equal(bench.blobs.quarantined[0]?.['expected'], FACTS.sha1);
  await source.close();
  assertNothingLeft(bench);
});

test('wrong bytes are wrong, though the disk cannot keep them to be looked at', async () => {
  const bench = createBench();
  const wrong = Buffer.from(BYTES);
  wrong[7] = (wrong[7] ?? 0) ^ 1;
  bench.blobs.quarantineError = new MirrorError('InternalError', 'rename failed: EROFS');
  const { download, wrongBytesOf } = await startOn(bench, [upstreamOf({}, wrong)]);
  await assert.rejects(drain(download.follow().source), { code: 'DownloadFailed' });
  assert.equal((await download.ended).result, 'mismatch');
  assert.deepEqual([wrongBytesOf, bench.blobs.discarded], [[['up0']], 1]);
  assertNothingLeft(bench);
});

test('a download that cannot be begun asks nobody, and ends by the disk only where it was the disk', async () => {
  const refused = Object.assign(new Error('EROFS: read-only file system'), { code: 'EROFS' });
  const slip = new TypeError('a slip of ours');
  for (const [cause, result] of [
    [refused, 'disk'],
    [slip, 'failed'],
  ] as const) {
    const bench = createBench();
    bench.blobs.resumePartial = async () => {
      throw storageError('a download could not be begun on disk', cause, {});
    };
    const upstream = createFakeUpstream('up0', { file: () => fileOf(BYTES) });
    const { download } = await startOn(bench, [upstream]);
    assert.equal((await download.ended).result, result);
    assert.equal(upstream.files.length, 0);
    assertNothingLeft(bench);
  }
});

test('every source failing rejects the headers with the last error, and leaves nothing', async () => {
  const bench = createBench();
  const failing = ['up0', 'up1'].map((name) =>
    createFakeUpstream(name, {
      file: () => {
        throw refusal(name === 'up0' ? 401 : 403);
      },
    }),
  );
  const { download } = await startOn(bench, failing);
  const { headers, source } = download.follow();
  await assert.rejects(headers, { code: 'UpstreamUnavailable', message: /403/ });
  await assert.rejects(source.read(Buffer.alloc(1), 0, 1, new AbortController().signal), { message: /403/ });
  await source.close();
  const { result, failure } = await download.ended;
  assert.equal(result, 'failed');
  assert.match(failure?.message ?? '', /403/);
  assert.equal(bench.blobs.discarded, 1);
  assertNothingLeft(bench);
});

test('nobody waiting for headers that fail is no unhandled rejection', async () => {
  const bench = createBench();
  const absent = createFakeUpstream('up0', { file: () => ({ kind: 'absent' }) });
  const { download } = await startOn(bench, [absent]);
  assert.equal((await download.ended).result, 'absent');
  await turn();
  assertNothingLeft(bench);
});

test('a full disk midway fails the followers without telling them about this machine', async () => {
  const bench = createBench();
  bench.blobs.onPartial = (file) => {
    file.writeError = Object.assign(new Error('ENOSPC: no space left, write /var/cache/x'), { code: 'ENOSPC' });
  };
  const { download } = await startOn(bench, [upstreamOf({ chunkBytes: 1000 })]);
  const { source } = download.follow();
  await assert.rejects(drain(source), (error) => error instanceof MirrorError && !error.message.includes('/var/cache'));
  assert.equal((await download.ended).result, 'disk');
  assert.equal(bench.log.linesOf(/^download could not be stored$/)[0]?.level, 'error');
  assert.equal(bench.blobs.discarded, 1);
  assertNothingLeft(bench);
});

test('bytes that are right but cannot be kept still reach their followers', async () => {
  const bench = createBench();
  bench.blobs.commitError = new MirrorError('InternalError', 'rename failed');
  const { download } = await startOn(bench, [upstreamOf()]);
  assert.deepEqual(await drain(download.follow().source), BYTES);
  assert.equal((await download.ended).result, 'disk');
  assert.equal(bench.blobs.discarded, 1);
  assertNothingLeft(bench);
});

test('an abort fails the followers with its reason and leaves the partial for later', async () => {
  const bench = createBench();
  const stall = Promise.withResolvers<void>();
  const gate = (at: number): Promise<void> | void => (at >= 150_000 ? stall.promise : undefined);
  const { download } = await startOn(bench, [upstreamOf({ chunkBytes: 50_000, gate })]);
  const { source } = download.follow();
  const reading = drain(source);
  await until(() => download.written >= 100_000);
  download.abort(new MirrorError('ShuttingDown', 'going down'));
  // The fake does not listen to the signal; a real body rejects now.
  stall.reject(new MirrorError('UpstreamUnavailable', 'aborted'));
  await assert.rejects(reading, { code: 'ShuttingDown' });
  assert.equal((await download.ended).result, 'aborted');
  assert.deepEqual([bench.blobs.kept, bench.blobs.discarded], [1, 0]);
  assertNothingLeft(bench);
});

test('with finishAbandoned off and nobody left it is given up', async () => {
  const bench = createBench();
  const upstream = createFakeUpstream('up0', {
    file: ({ signal }) =>
      fileOf(BYTES, {
        gate: async () =>
          new Promise((_resolve, reject) => {
            signal.addEventListener('abort', () => reject(new MirrorError('UpstreamUnavailable', 'aborted')));
          }),
      }),
  });
  const { download } = await startOn(bench, [upstream], false);
  const { headers, source } = download.follow();
  await headers;
  await source.close();
  assert.equal((await download.ended).result, 'aborted');
  assertNothingLeft(bench);
});

test('the first MD5 announced holds; a wrong one fails the followers but not the blob', async () => {
  const bench = createBench();
  const wrong = Buffer.alloc(16).toString('base64');
  const { download } = await startOn(bench, [upstreamOf({ contentMd5: wrong })]);
  const { headers, source } = download.follow();
  assert.equal((await headers).contentMd5, wrong);
  await assert.rejects(drain(source), { code: 'DownloadFailed', message: /Content-MD5/ });
  assert.equal((await download.ended).result, 'stored');
  assert.equal(bench.blobs.stored.get(FACTS.sha1)?.facts.md5, FACTS.md5);
});
