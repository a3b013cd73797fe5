/** Followers that outlive the disk: they go on where they are, together, behind what was written. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { ByteSource } from '../../../src/downloads/byte-source.ts';
import { createGrowingFile } from '../../../src/downloads/growing-file.ts';
import { rescueFromDisk } from '../../../src/downloads/rescued-source.ts';
import { until } from '../../support/wait-for.ts';
import {
  BYTES,
  createBench,
  drain,
  largeBytes,
  passingOf,
  registryOf,
  wantedFrom,
  type DownloadBench,
} from './download-bench.ts';
import { createFakeUpstream, fileOf, type FakeUpstream } from './fake-upstream.ts';

/** Its first answer is there while the disk fills up: once the bytes before `fullAt` are written, no more can be. */
function upstreamOn(bench: DownloadBench, fullAt: number, first: Buffer, later = first): FakeUpstream {
  return createFakeUpstream('up0', {
    file: ({ offset }, attempt) =>
      fileOf(attempt === 1 ? first : later, {
        chunkBytes: 10_000,
        start: offset,
        async gate(at) {
          if (attempt !== 1 || at < fullAt) return;
          const [file] = bench.blobs.partials;
          await until(() => file !== undefined && file.bytes.length >= fullAt);
          if (file !== undefined)
            file.writeError = Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' });
        },
      }),
  });
}

async function readRest(source: ByteSource, from: number, into: Buffer): Promise<void> {
  for (let at = from; at < source.size;) {
    at += await source.read(into.subarray(at), at, Math.min(16_384, source.size - at), new AbortController().signal);
  }
}

test('all followers of a download that the disk ended share one upstream stream behind what is on disk', async () => {
  const bench = createBench();
  const upstream = upstreamOn(bench, 90_000, BYTES);
  const downloads = registryOf(bench, [upstream]);
  const wanted = wantedFrom([upstream]);
  const followers = [await downloads.obtain(wanted), await downloads.obtain(wanted), await downloads.obtain(wanted)];
  const taken = await Promise.all(followers.map(async ({ source }) => drain(source)));
  for (const bytes of taken) assert.ok(bytes.equals(BYTES));
  assert.deepEqual(
    followers.map(({ cache }) => cache),
    ['PASS', 'PASS', 'PASS'],
  );
  assert.deepEqual(
    upstream.files.map(({ offset }) => offset),
    [0, 90_000],
  );
  assert.deepEqual([bench.passed, bench.blobs.partials[0]?.closes, bench.slots.inUse], [['right'], 1, 0]);
});

test('one that comes to where the disk ended when the others are through goes on from there, and is verified too', async () => {
  const bench = createBench();
  const size = 12 * 1024 * 1024;
  const bytes = largeBytes('rescue', size);
  const upstream = upstreamOn(bench, 1_000_000, bytes);
  const downloads = registryOf(bench, [upstream]);
  const wanted = wantedFrom([upstream], bytes);
  const [fast, slow] = [await downloads.obtain(wanted), await downloads.obtain(wanted)];
  const got = Buffer.alloc(size);
  const had = await slow.source.read(got, 0, 1000, new AbortController().signal);
  assert.ok((await drain(fast.source)).equals(bytes));
  await readRest(slow.source, had, got);
  await slow.source.close();
  assert.ok(got.equals(bytes));
  assert.deepEqual(
    upstream.files.map(({ offset }) => offset),
    [0, 1_000_000, 1_000_000],
  );
  assert.deepEqual(bench.passed, ['right', 'right']);
});

/** Reads [from, to) as a response with a Range does. */
async function readPart(source: ByteSource, from: number, to: number): Promise<Buffer> {
  const part = Buffer.alloc(to - from);
  const { signal } = new AbortController();
  source.endAt(to);
  for (let at = from; at < to;) {
    await source.ready(at, signal);
    at += await source.read(part.subarray(at - from), at, to - at, signal);
  }
  return part;
}

for (const [what, from, to] of [
  ['that ends within what is on disk', 1000, 80_000],
  ['that reaches over where the disk ended', 1000, 160_000],
  ['shorter than what is withheld', 85_000, 85_010],
  ['to the last byte but one', 0, BYTES.length - 1],
] as const) {
  test(`a part ${what} outlives the disk, and ends when the whole is right`, async () => {
    const bench = createBench();
    const upstream = upstreamOn(bench, 90_000, BYTES);
    const downloads = registryOf(bench, [upstream]);
    const { source } = await downloads.obtain(wantedFrom([upstream]));
    assert.ok((await readPart(source, from, to)).equals(BYTES.subarray(from, to)));
    await source.close();
    assert.deepEqual([bench.passed, bench.slots.inUse, upstream.files.length], [['right'], 0, 2]);
  });

  test(`a part ${what} does not end if anything of the whole is wrong`, async () => {
    for (const wrongAt of [7, 95_000, BYTES.length - 1]) {
      const bench = createBench();
      const wrong = Buffer.from(BYTES);
      wrong[wrongAt] = (wrong[wrongAt] ?? 0) ^ 1;
      const upstream = upstreamOn(bench, 90_000, wrong);
      const { source } = await registryOf(bench, [upstream]).obtain(wantedFrom([upstream]));
      await assert.rejects(readPart(source, from, to), { code: 'DownloadFailed' });
      await source.close();
      assert.deepEqual([bench.passed, bench.slots.inUse], [['failed'], 0]);
    }
  });
}

test('a part that is passed through from the start, too, ends only when the whole is right', async () => {
  for (const isRight of [true, false]) {
    const bench = createBench();
    const sent = Buffer.from(BYTES);
    if (!isRight) sent[BYTES.length - 1] = (sent[BYTES.length - 1] ?? 0) ^ 1;
    const upstream = createFakeUpstream('up0', { file: () => fileOf(sent, { chunkBytes: 10_000 }) });
    const { passing } = passingOf(bench);
    const wanted = wantedFrom([upstream]);
    const never = createGrowingFile({ size: BYTES.length, onEmpty: () => undefined });
    const followed = {
      wanted,
      written: 0,
      isFailed: true,
      headers: Promise.reject(new Error('EIO: before the first answer')),
      source: never.follow(),
      readWritten: async () => 0,
    };
    const { headers, source } = rescueFromDisk(followed, passing, () => undefined);
    await headers;
    const reading = readPart(source, 0, 80_000);
    if (isRight) assert.ok((await reading).equals(BYTES.subarray(0, 80_000)));
    else await assert.rejects(reading, { code: 'DownloadFailed' });
    await source.close();
  }
});

test('wrong bytes on disk are found though the rest, by another stream, is right', async () => {
  const bench = createBench();
  const wrong = Buffer.from(BYTES);
  wrong[7] = (wrong[7] ?? 0) ^ 1;
  const upstream = upstreamOn(bench, 90_000, wrong, BYTES);
  const { source } = await registryOf(bench, [upstream]).obtain(wantedFrom([upstream]));
  await assert.rejects(drain(source), { code: 'DownloadFailed' });
  assert.deepEqual(bench.passed, ['failed']);
});

test('one follower that the disk fails goes on alone; the download runs on for the others', async () => {
  const bench = createBench();
  const stall = Promise.withResolvers<void>();
  const upstream = createFakeUpstream('up0', {
    file: ({ offset }, attempt) =>
      fileOf(BYTES, {
        chunkBytes: 10_000,
        start: offset,
        gate: (at) => (attempt === 1 && at >= 100_000 ? stall.promise : undefined),
      }),
  });
  const downloads = registryOf(bench, [upstream]);
  const wanted = wantedFrom([upstream]);
  const [one, other] = [await downloads.obtain(wanted), await downloads.obtain(wanted)];
  await until(() => downloads.progressOf(wanted.sha1) === 100_000);
  const [file] = bench.blobs.partials;
  assert.ok(file);
  const read = file.handle.read.bind(file.handle);
  let reads = 0;
  file.handle.read = async (...at: Parameters<typeof read>) => {
    reads += 1;
    if (reads === 2) throw Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' });
    return read(...at);
  };
  assert.ok((await drain(one.source)).equals(BYTES), 'before the download has ended');
  assert.equal(one.cache, 'PASS');
  stall.resolve();
  await turn();
  assert.ok((await drain(other.source)).equals(BYTES));
  assert.equal(await other.stored, true);
  assert.deepEqual(
    upstream.files.map(({ offset }) => offset),
    [0, 16 * 1024],
  );
});
