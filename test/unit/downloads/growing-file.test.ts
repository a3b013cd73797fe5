import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { createGrowingFile, WITHHELD_BYTES, type GrowingFile } from '../../../src/downloads/growing-file.ts';
import type { ByteSource } from '../../../src/downloads/byte-source.ts';
import { createSeededBytes } from '../../support/image-bytes.ts';
import { createFakeFile, type FakeFile } from './fake-disk.ts';

const KIB = 1024;
const never = new AbortController().signal;

interface Bench {
  readonly file: GrowingFile;
  readonly disk: FakeFile;
  readonly bytes: Buffer;
  /** How often the last follower has left. */
  readonly empties: () => number;
  /** Writes up to `to` and says so. */
  readonly grow: (to: number) => Promise<void>;
}

function bench(size: number): Bench {
  let empties = 0;
  const disk = createFakeFile();
  const bytes = createSeededBytes('growing', size).read(0, size);
  const file = createGrowingFile({ size, onEmpty: () => (empties += 1) });
  file.attach(disk.handle);
  return {
    file,
    disk,
    bytes,
    empties: () => empties,
    async grow(to) {
      const from = disk.bytes.length;
      await disk.handle.write(bytes, from, to - from, from);
      file.grow(to);
    },
  };
}

async function readAt(source: ByteSource, position: number, length: number, signal = never): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  return buffer.subarray(0, await source.read(buffer, position, length, signal));
}

/** True if the promise is still open after what can happen at once has happened. */
async function isWaiting(promise: Promise<unknown>): Promise<boolean> {
  let isSettled = false;
  const settle = (): void => {
    isSettled = true;
  };
  promise.then(settle, settle);
  for (let turns = 0; turns < 5; turns++) await turn();
  return !isSettled;
}

test('a follower reads what is there, and waits for more', async () => {
  const { file, bytes, grow } = bench(200 * KIB);
  const source = file.follow();
  const first = readAt(source, 0, 1000);
  assert.ok(await isWaiting(first));
  await grow(500);
  assert.deepEqual(await first, bytes.subarray(0, 500));
  const second = readAt(source, 500, 1000);
  assert.ok(await isWaiting(second));
  await grow(600);
  assert.deepEqual(await second, bytes.subarray(500, 600));
});

test('the last 64 KiB are withheld until the whole is right, even when all of it is on disk', async () => {
  const size = 200 * KIB;
  const { file, bytes, grow } = bench(size);
  const source = file.follow();
  await grow(size);
  assert.equal((await readAt(source, 0, size)).length, size - WITHHELD_BYTES);
  const tail = readAt(source, size - WITHHELD_BYTES, size);
  assert.ok(await isWaiting(tail));
  file.complete();
  assert.deepEqual(await tail, bytes.subarray(size - WITHHELD_BYTES));
});

test('of a file smaller than that nothing is given before it is right', async () => {
  const { file, bytes, grow } = bench(231);
  const source = file.follow();
  await grow(231);
  const all = readAt(source, 0, 231);
  assert.ok(await isWaiting(all));
  file.complete();
  assert.deepEqual(await all, bytes);
});

test('of a part, too, the end is withheld: the last 64 KiB before where its reader stops', async () => {
  const size = 300 * KIB;
  const { file, bytes, grow } = bench(size);
  const source = file.follow();
  source.endAt(100 * KIB);
  await grow(200 * KIB);
  assert.equal((await readAt(source, 0, size)).length, 36 * KIB);
  const rest = readAt(source, 36 * KIB, size);
  assert.ok(await isWaiting(rest));
  await grow(size);
  file.complete();
  assert.deepEqual(await rest, bytes.subarray(36 * KIB, 100 * KIB));
});

test('a failure rejects every waiting read and every later one, also of what could be read before', async () => {
  const { file, grow } = bench(200 * KIB);
  const [waiting, later] = [file.follow(), file.follow()];
  await grow(100 * KIB);
  assert.equal((await readAt(later, 0, 10)).length, 10);
  const pending = readAt(waiting, 100 * KIB, 10);
  assert.ok(await isWaiting(pending));
  const error = new Error('wrong bytes');
  file.fail(error);
  await assert.rejects(pending, error);
  await assert.rejects(readAt(later, 0, 10), error);
  await assert.rejects(readAt(file.follow(), 0, 10), error);
});

test('the first failure is the one that is told', async () => {
  const { file } = bench(10);
  file.fail(new Error('the first'));
  file.fail(new Error('the second'));
  await assert.rejects(readAt(file.follow(), 0, 1), { message: 'the first' });
});

test('an aborted signal ends the wait of its reader alone', async () => {
  const { file, bytes, grow } = bench(200 * KIB);
  const gone = new AbortController();
  const [leaving, staying] = [file.follow(), file.follow()];
  const left = readAt(leaving, 0, 10, gone.signal);
  const stayed = readAt(staying, 0, 10);
  assert.ok(await isWaiting(Promise.race([left, stayed])));
  gone.abort(new Error('the client has left'));
  await assert.rejects(left, { message: 'the client has left' });
  await grow(100);
  assert.deepEqual(await stayed, bytes.subarray(0, 10));
});

test('a reader whose signal has aborted already gets that, not bytes', async () => {
  const { file, grow } = bench(200 * KIB);
  await grow(100);
  await assert.rejects(readAt(file.follow(), 0, 10, AbortSignal.abort(new Error('too late'))), { message: 'too late' });
});

test('a read past the end is an error and does not wait for ever', async () => {
  const { file } = bench(100);
  await assert.rejects(readAt(file.follow(), 100, 1), { code: 'InternalError' });
});

test('a file that is shorter on disk than it was said to be is an error, not an endless loop', async () => {
  const { file } = bench(200 * KIB);
  file.grow(100);
  await assert.rejects(readAt(file.follow(), 0, 10), { code: 'InternalError', message: /ended at byte 0/ });
});

test('a joiner at the very end, after all is right, reads all of it', async () => {
  const size = 100 * KIB;
  const { file, bytes, grow } = bench(size);
  await grow(size);
  file.complete();
  assert.deepEqual(await readAt(file.follow(), 0, size), bytes);
});

test('it says once that its last follower has left, however often each says good-bye', async () => {
  const { file, empties } = bench(100);
  const [one, other] = [file.follow(), file.follow()];
  assert.equal(file.followers, 2);
  await one.close();
  await one.close();
  assert.deepEqual([file.followers, empties()], [1, 0]);
  await other.close();
  assert.deepEqual([file.followers, empties()], [0, 1]);
});

test('whether bytes are there can be asked without a buffer: at once if they are, else when they are', async () => {
  const { file, grow } = bench(200 * KIB);
  const source = file.follow();
  const wait = source.ready(0, never);
  assert.ok(wait !== undefined && (await isWaiting(wait)));
  await grow(100);
  await wait;
  assert.equal(source.ready(0, never), undefined);
  assert.equal(source.ready(99, never), undefined);
  const more = source.ready(100, never);
  assert.ok(more !== undefined && (await isWaiting(more)));
  file.fail(new Error('wrong bytes'));
  await assert.rejects(more, { message: 'wrong bytes' });
  await assert.rejects(async () => source.ready(0, never), { message: 'wrong bytes' });
});

test('a reader that is aborted while it asks is told so, and wakes nobody else for good', async () => {
  const { file, bytes, grow } = bench(200 * KIB);
  const gone = new AbortController();
  const [leaving, staying] = [file.follow().ready(0, gone.signal), readAt(file.follow(), 0, 10)];
  gone.abort(new Error('the client has left'));
  await assert.rejects(async () => leaving, { message: 'the client has left' });
  assert.ok(await isWaiting(staying));
  await grow(10);
  assert.deepEqual(await staying, bytes.subarray(0, 10));
});

test('a thousand waits leave little behind on a signal that outlives them', async () => {
  const { file, grow } = bench(200 * KIB);
  const source = file.follow();
  const client = new AbortController();
  // Node warns of a leak above some listeners of one signal; we count them instead.
  let listeners = 0;
  const { signal } = client;
  const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners += 1;
    add(...args);
  };
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners -= 1;
    remove(...args);
  };
  for (let at = 0; at < 1000; at++) {
    const next = readAt(source, at, 1, signal);
    await grow(at + 1);
    assert.equal((await next).length, 1);
  }
  assert.ok(listeners <= 1, `${listeners} listeners`);
});
