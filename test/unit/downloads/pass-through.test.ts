import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { ObtainedPass } from '../../../src/downloads/passing.ts';
import type { Upstream } from '../../../src/upstream/upstream.ts';
import { createSeededBytes } from '../../support/image-bytes.ts';
import { until } from '../../support/wait-for.ts';
import {
  BYTES,
  FACTS,
  SIZE,
  createBench,
  drain,
  passingOf,
  registryOf,
  take,
  wantedFrom,
  type DownloadBench,
} from './download-bench.ts';
import { createFakeUpstream, fileOf, refusal, type StreamOptions } from './fake-upstream.ts';

const never = new AbortController().signal;
const KIB = 1024;

function pass(bench: DownloadBench, upstreams: readonly Upstream[], bytes = BYTES): ObtainedPass {
  return passingOf(bench).passing.join(wantedFrom(upstreams, bytes));
}

const upstreamOf = (options: StreamOptions = {}, bytes = BYTES): Upstream =>
  createFakeUpstream('up0', { file: ({ offset }) => fileOf(bytes, { ...options, start: offset }) });

test('the bytes go through with their MD5, and nothing is on disk', async () => {
  const bench = createBench();
  const { headers, source } = pass(bench, [upstreamOf({ chunkBytes: 7_001, contentMd5: FACTS.md5 })]);
  assert.equal((await headers).contentMd5, FACTS.md5);
  assert.deepEqual(await drain(source), BYTES);
  assert.deepEqual([bench.passed, bench.slots.inUse, bench.blobs.partials.length], [['right'], 0, 0]);
});

test('the last 64 KiB wait until the whole is known to be right', async () => {
  const bench = createBench();
  const wrong = Buffer.from(BYTES);
  wrong[0] = (wrong[0] ?? 0) ^ 1;
  const { source } = pass(bench, [upstreamOf({ chunkBytes: 10_000 }, wrong)]);
  let read = 0;
  const reading = (async () => {
    const buffer = Buffer.alloc(SIZE);
    for (;;) read += await source.read(buffer, read, SIZE, never);
  })();
  await assert.rejects(reading, { code: 'DownloadFailed', message: new RegExp(FACTS.sha1) });
  assert.ok(read <= SIZE - 64 * KIB, `${read} bytes were let out`);
  assert.deepEqual(bench.passed, ['failed']);
});

test('a cut transfer goes on where it stopped', async () => {
  const bench = createBench();
  const upstream = createFakeUpstream('up0', {
    file: ({ offset }, attempt) => fileOf(BYTES, attempt === 1 ? { cutAt: 90_000 } : { start: offset }),
  });
  assert.deepEqual(await drain(pass(bench, [upstream]).source), BYTES);
  assert.equal(upstream.files[1]?.offset, 90_000);
});

test('when every source fails the headers reject with the last error', async () => {
  const bench = createBench();
  const failing = createFakeUpstream('up0', {
    file: () => {
      throw refusal(403);
    },
  });
  const { headers, source } = pass(bench, [failing]);
  await assert.rejects(headers, { code: 'UpstreamUnavailable', message: /403/ });
  await assert.rejects(source.read(Buffer.alloc(1), 0, 1, never), { message: /403/ });
  await source.close();
  assert.deepEqual(bench.passed, ['failed']);
});

test('a wrong MD5 breaks the response off; one that is no MD5 is left out, as a download leaves it out', async () => {
  const bench = createBench();
  const wrong = pass(bench, [upstreamOf({ contentMd5: Buffer.alloc(16).toString('base64') })]);
  await assert.rejects(drain(wrong.source), { code: 'DownloadFailed', message: /Content-MD5/ });
  const junk = pass(bench, [upstreamOf({ contentMd5: 'd41d8cd98f00b204e9800998ecf8427e' })]);
  assert.equal((await junk.headers).contentMd5, undefined);
  assert.deepEqual(await drain(junk.source), BYTES);
});

test('a client that does not read holds up the upstream: no more than 1 MiB and the withheld part gathers', async () => {
  const bench = createBench();
  const large = createSeededBytes('large', 1_000_000).read(0, 1_000_000);
  const bytes = Buffer.concat([large, large, large]);
  let asked = 0;
  const gate = (at: number): void => {
    asked = at;
  };
  const { source, headers } = pass(bench, [upstreamOf({ chunkBytes: 16 * KIB, gate }, bytes)], bytes);
  await headers;
  for (let turns = 0; turns < 500; turns++) await turn();
  assert.ok(asked <= 1024 * KIB + 64 * KIB + 32 * KIB, `${asked} bytes were fetched ahead`);
  assert.ok((await drain(source)).equals(bytes));
});

test('closing the source ends the transfer: the stream is cancelled, the slot is free', async () => {
  const bench = createBench();
  const upstream = createFakeUpstream('up0', {
    file: ({ signal }) =>
      fileOf(BYTES, {
        gate: async () =>
          new Promise((_resolve, reject) => {
            signal.addEventListener('abort', () => reject(refusal(499)));
          }),
      }),
  });
  const { headers, source } = pass(bench, [upstream]);
  await headers;
  await source.close();
  await until(() => bench.passed.length === 1);
  assert.deepEqual([bench.passed, bench.slots.inUse, upstream.cancels], [['aborted'], 0, 1]);
  assert.deepEqual(bench.log.linesOf('error'), [], 'a client that leaves is nobody’s error');
});

test('a read that waits is ended by its signal', async () => {
  const stall = Promise.withResolvers<void>();
  const { headers, source } = pass(createBench(), [upstreamOf({ gate: () => stall.promise })]);
  await headers;
  const gone = new AbortController();
  const reading = source.read(Buffer.alloc(1), 0, 1, gone.signal);
  gone.abort(new Error('the client has left'));
  await assert.rejects(reading, { message: 'the client has left' });
  stall.resolve();
  await source.close();
});

test('without room clients pass through a shared stream; with room again the next one is a MISS', async () => {
  const bench = createBench();
  bench.space.isFull = true;
  const upstream = createFakeUpstream('up0', { file: ({ offset }) => fileOf(BYTES, { start: offset }) });
  const downloads = registryOf(bench, [upstream]);
  const wanted = wantedFrom([upstream]);
  const passing = await Promise.all([downloads.obtain(wanted), downloads.obtain(wanted)]);
  const taken = await Promise.all(
    passing.map(async (blob) => {
      assert.deepEqual([blob.cache, blob.available, await blob.stored], ['PASS', 0, false]);
      return (await take(blob)).bytes;
    }),
  );
  assert.deepEqual(taken, [BYTES, BYTES]);
  assert.deepEqual([upstream.files.length, bench.passed, bench.blobs.stored.size], [1, ['right'], 0]);
  bench.space.isFull = false;
  const next = await downloads.obtain(wanted);
  assert.equal(next.cache, 'MISS');
  assert.deepEqual((await take(next)).bytes, BYTES);
});
