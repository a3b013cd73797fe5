/** Invariant 8's ring: followers of one pass-through share one upstream stream as long as they keep up. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import type { ByteSource } from '../../../src/downloads/byte-source.ts';
import { createSlots } from '../../../src/downloads/slots.ts';
import { until } from '../../support/wait-for.ts';
import { createBench, drain, largeBytes, passingOf, registryOf, take, wantedFrom } from './download-bench.ts';
import { createFakeUpstream, fileOf, refusal, type FakeUpstream, type StreamOptions } from './fake-upstream.ts';

const MIB = 1024 * 1024;
const SIZE = 14 * MIB;
const BYTES = largeBytes('passing', SIZE);
const never = new AbortController().signal;

const upstreamOf = (options: StreamOptions = {}, bytes = BYTES, name = 'up0'): FakeUpstream =>
  createFakeUpstream(name, { file: ({ offset }) => fileOf(bytes, { chunkBytes: 65_536, ...options, start: offset }) });

function wrongAt(byte: number): Buffer {
  const wrong = Buffer.from(BYTES);
  wrong[byte] = (wrong[byte] ?? 0) ^ 1;
  return wrong;
}

/** Reads [from, to) and checks it. */
async function readTo(source: ByteSource, from: number, to: number): Promise<void> {
  const buffer = Buffer.alloc(100_000);
  for (let at = from; at < to;) {
    const read = await source.read(buffer, at, Math.min(buffer.length, to - at), never);
    assert.ok(buffer.subarray(0, read).equals(BYTES.subarray(at, at + read)), `at ${at}`);
    at += read;
    await turn();
  }
}

test('ten clients in step share one upstream stream, and all get the right bytes', async () => {
  const bench = createBench();
  const { passing } = passingOf(bench);
  const upstream = upstreamOf();
  const clients = Array.from({ length: 10 }, () => passing.join(wantedFrom([upstream], BYTES)));
  await Promise.all(clients.map(async ({ source }) => assert.ok((await drain(source)).equals(BYTES))));
  assert.deepEqual([upstream.files.length, bench.passed, bench.alone, bench.slots.inUse], [1, ['right'], 0, 0]);
  assert.deepEqual(bench.events.lines, ['checked right']);
});

test('one that stands still holds up nobody: it falls out and goes on alone behind what it has', async () => {
  const bench = createBench();
  const { passing } = passingOf(bench);
  // A chunk larger than the ring must not wash the fastest out of it.
  const upstream = upstreamOf({ chunkBytes: SIZE });
  const wanted = wantedFrom([upstream], BYTES);
  const [fast, slow] = [passing.join(wanted), passing.join(wanted)];
  await readTo(slow.source, 0, 3_000_000);
  assert.ok((await drain(fast.source)).equals(BYTES));
  assert.equal(upstream.files.length, 1);
  await readTo(slow.source, 3_000_000, SIZE);
  await slow.source.close();
  assert.deepEqual(
    upstream.files.map(({ offset }) => offset),
    [0, 3_000_000],
  );
  assert.deepEqual([bench.passed, bench.alone, bench.slots.inUse], [['right', 'right'], 1, 0]);
});

test('one that goes on alone waits for a slot without a limit: it has its headers', async () => {
  // Waits 10 ms at most, where there is a limit.
  const bench = { ...createBench(), slots: createSlots({ upstream: 'up0', count: 1, waitMs: 10, maxWaiting: 10 }) };
  const { passing } = passingOf(bench);
  const upstream = upstreamOf();
  const wanted = wantedFrom([upstream], BYTES);
  const [fast, slow] = [passing.join(wanted), passing.join(wanted)];
  await readTo(slow.source, 0, 1000);
  assert.ok((await drain(fast.source)).equals(BYTES));
  const release = await bench.slots.take(never);
  const rest = readTo(slow.source, 1000, SIZE);
  const late = passing.join(wanted);
  await assert.rejects(late.headers, { code: 'DownloadQueueFull' }, 'who has no headers yet is told to come again');
  await late.source.close();
  await sleep(30);
  assert.equal(bench.slots.waiting, 1);
  release();
  await rest;
  await slow.source.close();
  assert.deepEqual([bench.alone, bench.slots.inUse, bench.slots.waiting], [1, 0, 0]);
});

test('one that waits for a slot of its own and leaves is out of the line', async () => {
  const bench = { ...createBench(), slots: createSlots({ upstream: 'up0', count: 1, waitMs: 10, maxWaiting: 10 }) };
  const { passing } = passingOf(bench);
  const wanted = wantedFrom([upstreamOf()], BYTES);
  const [fast, slow] = [passing.join(wanted), passing.join(wanted)];
  await readTo(slow.source, 0, 1000);
  assert.ok((await drain(fast.source)).equals(BYTES));
  const release = await bench.slots.take(never);
  const gone = new AbortController();
  const reading = slow.source.read(Buffer.alloc(9), 1000, 9, gone.signal);
  await until(() => bench.slots.waiting === 1);
  gone.abort();
  await assert.rejects(reading);
  await slow.source.close();
  await until(() => bench.slots.waiting === 0);
  release();
  assert.equal(bench.slots.inUse, 0);
});

test('when the fastest leaves, the next in speed sets the pace and is not lost', async () => {
  const bench = createBench();
  const { passing } = passingOf(bench);
  const upstream = upstreamOf();
  const wanted = wantedFrom([upstream], BYTES);
  const [fast, slow] = [passing.join(wanted), passing.join(wanted)];
  // Within the ring, and further behind than what is fetched ahead of the fastest.
  await readTo(slow.source, 0, MIB);
  await readTo(fast.source, 0, 7 * MIB);
  await fast.source.close();
  await readTo(slow.source, MIB, SIZE);
  await slow.source.close();
  assert.deepEqual([upstream.files.length, bench.passed, bench.alone], [1, ['right'], 0]);
});

test('who comes while the ring still holds the beginning shares it; who comes later starts the next', async () => {
  const bench = createBench();
  const { passing } = passingOf(bench);
  const upstream = upstreamOf();
  const wanted = wantedFrom([upstream], BYTES);
  const first = passing.join(wanted);
  await readTo(first.source, 0, 6 * MIB);
  const second = passing.join(wanted);
  await readTo(second.source, 0, 6 * MIB);
  assert.equal(upstream.files.length, 1);
  await readTo(first.source, 6 * MIB, 12 * MIB);
  const [third, fourth] = [passing.join(wanted), passing.join(wanted)];
  await Promise.all([readTo(third.source, 0, SIZE), readTo(fourth.source, 0, SIZE)]);
  await Promise.all([readTo(first.source, 12 * MIB, SIZE), readTo(second.source, 6 * MIB, SIZE)]);
  for (const { source } of [first, second, third, fourth]) await source.close();
  assert.deepEqual([upstream.files.length, bench.alone, bench.passed], [2, 0, ['right', 'right']]);
});

test('those that run are told until their upstream stream is over: how far they are, and how many read them', async () => {
  const bench = createBench();
  const { passing } = passingOf(bench);
  const wanted = wantedFrom([upstreamOf()], BYTES);
  const running = () => Array.from(passing.running, ({ wanted: { sha1 }, followers }) => [sha1, followers]);
  assert.deepEqual(running(), []);
  const [first, second] = [passing.join(wanted), passing.join(wanted)];
  await Promise.all([readTo(first.source, 0, 6 * MIB), readTo(second.source, 0, 6 * MIB)]);
  assert.deepEqual(running(), [[wanted.sha1, 2]]);
  const [{ received } = { received: 0 }] = passing.running;
  assert.ok(received >= 6 * MIB && received < SIZE, String(received));
  await second.source.close();
  assert.deepEqual(running(), [[wanted.sha1, 1]]);
  await readTo(first.source, 6 * MIB, SIZE);
  assert.deepEqual([running(), bench.passed], [[], ['right']]);
  await first.source.close();
});

for (const [when, isSo] of [
  ['at its beginning', () => true],
  ['while it waits for its readers', (received: number) => received > MIB],
] as const) {
  test(`what is given up at a stop, ${when}, is aborted and no failure`, async () => {
    const bench = createBench();
    const { passing } = passingOf(bench);
    const { headers, source } = passing.join(wantedFrom([upstreamOf()], BYTES));
    await headers;
    await until(() => [...passing.running].every(({ received }) => isSo(received)));
    await passing.close();
    assert.deepEqual([bench.passed, [...passing.running]], [['aborted'], []]);
    await source.close();
  });
}

test('another size of the same bytes shares nothing', async () => {
  const { passing } = passingOf(createBench());
  const upstream = upstreamOf();
  const wanted = wantedFrom([upstream], BYTES);
  const right = passing.join(wanted);
  const other = passing.join({ ...wanted, size: SIZE - 1 });
  await assert.rejects(other.headers, { code: 'UpstreamUnavailable' });
  await other.source.close();
  assert.ok((await drain(right.source)).equals(BYTES));
});

test('when all have left the upstream stream ends, and not before', async () => {
  const bench = createBench();
  const { passing } = passingOf(bench);
  const upstream = createFakeUpstream('up0', {
    file: ({ signal }) =>
      fileOf(BYTES, {
        chunkBytes: 65_536,
        async gate(at) {
          if (at < MIB) return;
          await new Promise((_resolve, reject) => {
            signal.addEventListener('abort', () => reject(refusal(499)), { once: true });
          });
        },
      }),
  });
  const wanted = wantedFrom([upstream], BYTES);
  const clients = [passing.join(wanted), passing.join(wanted)];
  for (const { source } of clients) await readTo(source, 0, 100_000);
  await clients[0]?.source.close();
  for (let turns = 0; turns < 20; turns++) await turn();
  assert.deepEqual([bench.passed, upstream.cancels], [[], 0]);
  await clients[1]?.source.close();
  await until(() => bench.passed.length === 1);
  assert.deepEqual([bench.passed, upstream.cancels, bench.slots.inUse], [['aborted'], 1, 0]);
  const next = passing.join(wanted);
  assert.equal(upstream.files.length, 1);
  await until(() => upstream.files.length === 2);
  await next.source.close();
  await passing.close();
});

test('wrong bytes end cleanly for none of those who share, nor for one who went on alone', async () => {
  const bench = createBench();
  const { passing, blame } = passingOf(bench);
  const upstream = createFakeUpstream('lying', {
    // Wrong at first, right where the one who fell behind goes on.
    file: ({ offset }, attempt) => fileOf(attempt === 1 ? wrongAt(9) : BYTES, { chunkBytes: 65_536, start: offset }),
  });
  const wanted = wantedFrom([upstream], BYTES);
  const [one, other, slow] = [passing.join(wanted), passing.join(wanted), passing.join(wanted)];
  const buffer = Buffer.alloc(100_000);
  const had = await slow.source.read(buffer, 0, buffer.length, never);
  assert.deepEqual(
    (await Promise.allSettled([drain(one.source), drain(other.source)])).map(({ status }) => status),
    ['rejected', 'rejected'],
  );
  assert.ok(blame.isOnAll(wanted), 'as after a download');
  await assert.rejects(readTo(slow.source, had, SIZE), { code: 'DownloadFailed' });
  await slow.source.close();
  assert.deepEqual([bench.passed, bench.alone], [['failed', 'failed'], 1]);
  assert.deepEqual(bench.events.lines, ['checked sha1', `resume range ${had}`, 'checked sha1']);
});

test('wrong bytes behind the place where one fell out break off that one', async () => {
  const bench = createBench();
  const { passing } = passingOf(bench);
  const upstream = createFakeUpstream('later', {
    file: ({ offset }, attempt) =>
      fileOf(attempt === 1 ? BYTES : wrongAt(SIZE - 1), { chunkBytes: 65_536, start: offset }),
  });
  const wanted = wantedFrom([upstream], BYTES);
  const [fast, slow] = [passing.join(wanted), passing.join(wanted)];
  await readTo(slow.source, 0, 1000);
  assert.ok((await drain(fast.source)).equals(BYTES));
  await assert.rejects(readTo(slow.source, 1000, SIZE), { code: 'DownloadFailed' });
  await slow.source.close();
});

test('a source whose bytes were wrong on their way through is asked last afterwards, downloads included', async () => {
  const bench = createBench();
  const [lying, honest] = [upstreamOf({}, wrongAt(5), 'lying'), upstreamOf({}, BYTES, 'honest')];
  const downloads = registryOf(bench, [lying, honest]);
  const wanted = wantedFrom([lying, honest], BYTES);
  bench.space.isFull = true;
  await assert.rejects(take(await downloads.obtain(wanted)), { code: 'DownloadFailed' });
  assert.ok((await take(await downloads.obtain(wanted))).bytes.equals(BYTES));
  bench.space.isFull = false;
  assert.ok((await take(await downloads.obtain(wanted))).bytes.equals(BYTES));
  assert.deepEqual([lying.files.length, honest.files.length], [1, 2]);
});

test('a mixture that was wrong is nobody’s fault: the next time it comes whole from one source', async () => {
  const bench = createBench();
  const { passing, blame } = passingOf(bench);
  const cut = createFakeUpstream('cut', {
    file: ({ offset }, attempt) =>
      fileOf(attempt === 1 ? wrongAt(9) : BYTES, {
        chunkBytes: 65_536,
        start: offset,
        ...(attempt === 1 ? { cutAt: MIB } : {}),
      }),
  });
  const wanted = wantedFrom([cut], BYTES);
  await assert.rejects(drain(passing.join(wanted).source), { code: 'DownloadFailed' });
  assert.deepEqual([blame.isOnAll(wanted), blame.isSuspect(wanted.sha1)], [false, true]);
  assert.ok((await drain(passing.join(wanted).source)).equals(BYTES));
  assert.equal(blame.isSuspect(wanted.sha1), false);
});

test('a file that no upstream has is absent, and no failure', async () => {
  const bench = createBench();
  const { passing } = passingOf(bench);
  const upstream = createFakeUpstream('up0', { file: () => ({ kind: 'absent' }) });
  const { headers, source } = passing.join(wantedFrom([upstream], BYTES));
  await assert.rejects(headers);
  await source.close();
  assert.deepEqual(bench.passed, ['absent']);
});
