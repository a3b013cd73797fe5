import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { InspectOptions, Inspection } from '../../../src/blobs/inspect.ts';
import { createScrub, type ScrubbedBlob, type ScrubMarks, type ScrubRound } from '../../../src/blobs/scrub.ts';
import type { TalliedBlob } from '../../../src/blobs/tally.ts';
import { sha1Of, type Sha1Hex } from '../../../src/imgapi/ids.ts';
import { createCaptureLog } from '../../support/capture-log.ts';
import { until } from '../../support/wait-for.ts';

const MIB = 1024 * 1024;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const START_MS = 1000 * DAY;

/** A store and records that outlive the scrubs made on them, and a clock that sleeping moves on, up to `haltAtMs`. */
function createWorld() {
  const blobs = new Map<Sha1Hex, TalliedBlob>();
  const marks = new Map<Sha1Hex, number>();
  let round: ScrubRound | undefined;
  const keptMarks: ScrubMarks = {
    checkedAtMs: async (sha1) => marks.get(sha1),
    setChecked: async (sha1, atMs) => void marks.set(sha1, atMs),
    round: async () => round,
    setRound: async (next) => void (round = next),
  };
  const world = {
    nowMs: START_MS,
    haltAtMs: START_MS,
    blobs,
    marks,
    keptMarks,
    get round() {
      return round;
    },
    log: createCaptureLog(),
    put(name: string, arrivedAtMs: number, size = MIB): Sha1Hex {
      const sha1 = sha1Of(Buffer.from(name));
      blobs.set(sha1, { sha1, size, arrivedAtMs });
      return sha1;
    },
  };
  return world;
}

interface BenchOptions {
  readonly everyMs?: number;
  readonly inspect?: (sha1: Sha1Hex, options: InspectOptions) => Promise<Inspection>;
}

function bench(t: TestContext, world: ReturnType<typeof createWorld>, options: BenchOptions = {}) {
  const checked: ScrubbedBlob[] = [];
  const state = { everyMs: options.everyMs ?? 30 * DAY, bytes: 0, digesters: 0 };
  async function readThrough(sha1: Sha1Hex, { pace }: InspectOptions): Promise<Inspection> {
    const size = world.blobs.get(sha1)?.size ?? 0;
    for (let position = 0; position < size; position += MIB) await pace(Math.min(MIB, size - position));
    return { result: 'right' };
  }
  const scrub = createScrub(
    {
      inspect: options.inspect ?? readThrough,
      blobs: () => world.blobs.values(),
      counted: Promise.resolve(),
      marks: world.keptMarks,
      createDigester() {
        state.digesters += 1;
        return {
          watch() {
            throw new Error('nothing here hashes: inspect is a fake');
          },
          close: async () => void (state.digesters -= 1),
        };
      },
      onRead: (bytes) => void (state.bytes += bytes),
      onChecked: (blob) => void checked.push(blob),
      log: world.log,
      now: () => world.nowMs,
      monotonicNow: () => world.nowMs,
      async sleep(ms, signal) {
        await turn();
        signal.throwIfAborted();
        if (world.nowMs + ms <= world.haltAtMs) {
          world.nowMs += ms;
          return;
        }
        await new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason), { once: true });
        });
      },
    },
    {
      get everyMs() {
        return state.everyMs;
      },
    },
  );
  t.after(async () => scrub.close());
  return { scrub, checked, state, readThrough };
}

test('in the background every blob is read once in the time, the longest unchecked one first', async (t) => {
  const world = createWorld();
  const [second, first] = [world.put('b', START_MS - 20 * DAY), world.put('a', START_MS - 25 * DAY)];
  world.haltAtMs = START_MS + 11 * DAY;
  const { scrub, checked, state } = bench(t, world);
  scrub.start();
  await until(() => checked.length === 2);
  assert.deepEqual(
    checked,
    [first, second].map((sha1) => ({ sha1, size: MIB, result: 'right' })),
  );
  const [firstAtMs, secondAtMs] = [world.marks.get(first) ?? 0, world.marks.get(second) ?? 0];
  assert(firstAtMs <= START_MS + 5 * DAY && firstAtMs > START_MS + 5 * DAY - 60_000, `${firstAtMs}`);
  assert(secondAtMs <= START_MS + 10 * DAY && secondAtMs > START_MS + 10 * DAY - 60_000, `${secondAtMs}`);
  assert.equal(state.bytes, 2 * MIB);
  assert.equal(scrub.isReading, false);
  // A round is over when all that was there at its beginning has been found right.
  await until(() => scrub.succeededAtMs === secondAtMs || (scrub.succeededAtMs ?? 0) > secondAtMs);
  assert.equal(state.digesters, 0);
});

test('what is overdue is read at the budget, and no faster', async (t) => {
  const world = createWorld();
  for (let n = 0; n < 5; n += 1) world.put(`blob ${n}`, START_MS - 60 * DAY, 40 * MIB);
  world.haltAtMs = START_MS + HOUR;
  const { scrub, checked } = bench(t, world);
  scrub.start();
  await until(() => checked.length === 5);
  const seconds = (Math.max(...world.marks.values()) - START_MS) / 1000;
  // 200 MiB at 4 MiB/s; the last piece's own time is not waited for.
  assert(seconds > 49 && seconds < 51, `${seconds} s`);
});

test('a restart goes on where the last run was, and lost records begin anew', async (t) => {
  const world = createWorld();
  for (let n = 0; n < 4; n += 1) world.put(`blob ${n}`, START_MS - 60 * DAY + n, 40 * MIB);
  world.haltAtMs = START_MS + 25_000;
  const before = bench(t, world);
  before.scrub.start();
  await until(() => before.scrub.isReading && before.checked.length === 2);
  await before.scrub.close();
  assert.equal(before.scrub.isReading, false);
  assert.equal(world.round?.succeededAtMs, undefined);
  assert.equal(world.round?.beganAtMs, START_MS);
  world.haltAtMs = START_MS + HOUR;
  const after = bench(t, world);
  after.scrub.start();
  await until(() => after.checked.length === 2);
  const seen = [...before.checked, ...after.checked].map(({ sha1 }) => sha1);
  assert.deepEqual(seen, [...world.blobs.keys()]);
  await until(() => after.scrub.succeededAtMs);
  await after.scrub.close();

  world.marks.clear();
  const anew = bench(t, world);
  world.haltAtMs += HOUR;
  anew.scrub.start();
  await until(() => anew.checked.length === 4);
});

test('a blob that has come or come back counts as checked', async (t) => {
  const world = createWorld();
  const old = world.put('old', START_MS - 60 * DAY);
  const back = world.put('back', START_MS);
  world.marks.set(back, START_MS - 50 * DAY);
  world.haltAtMs = START_MS + 29 * DAY;
  const { scrub, checked } = bench(t, world);
  scrub.start();
  await until(() => world.nowMs > START_MS + 28 * DAY);
  assert.deepEqual(
    checked.map(({ sha1 }) => sha1),
    [old],
  );
});

test('0 turns it off, and a reload turns it on', async (t) => {
  const world = createWorld();
  world.put('old', START_MS - 60 * DAY);
  world.haltAtMs = START_MS + 100 * DAY;
  const { scrub, checked, state } = bench(t, world, { everyMs: 0 });
  scrub.start();
  await until(() => world.nowMs > START_MS + DAY);
  assert.deepEqual(checked, []);
  state.everyMs = 30 * DAY;
  await until(() => checked.length === 1);
});

test('a blob that cannot be checked keeps nobody else waiting, and is not tried again at once', async (t) => {
  const world = createWorld();
  const bad = world.put('bad', START_MS - 90 * DAY);
  const good = world.put('good', START_MS - 60 * DAY);
  world.haltAtMs = START_MS + HOUR;
  const { scrub, checked } = bench(t, world, {
    async inspect(sha1) {
      if (sha1 === bad) throw new Error('too many open files');
      return { result: 'right' };
    },
  });
  scrub.start();
  await until(() => world.nowMs > START_MS + HOUR / 2);
  assert.deepEqual(checked, [
    { sha1: bad, size: MIB, result: 'failed', reason: 'too many open files' },
    { sha1: good, size: MIB, result: 'right' },
  ]);
  assert.equal(scrub.succeededAtMs, undefined);
  assert.equal(world.log.linesOf(/could not be checked/).length, 1);
});

test('on demand all is read at once while the background makes way', async (t) => {
  const world = createWorld();
  const names = Array.from({ length: 3 }, (_, n) => world.put(`blob ${n}`, START_MS - 60 * DAY + n, 3 * MIB));
  const { scrub, checked, state } = bench(t, world);
  // The clock stands still: the background is caught in the middle of its first blob.
  scrub.start();
  await until(() => scrub.isReading);
  const seen: unknown[] = [];
  await scrub.checkAll({
    onBegin: (total) => seen.push(total),
    onRead: (bytes) => seen.push(bytes),
    onChecked: ({ sha1, result }) => seen.push([sha1, result]),
    signal: new AbortController().signal,
  });
  const each = names.flatMap((sha1) => [MIB, MIB, MIB, [sha1, 'right']]);
  assert.deepEqual(seen, [{ blobs: 3, bytes: 9 * MIB }, ...each]);
  assert.equal(world.nowMs, START_MS);
  assert.equal(checked.length, 3);
  assert.equal(scrub.succeededAtMs, START_MS);
  assert(state.bytes >= 9 * MIB);
});

test('what came lately counts as checked, and is not said to have been read again', async (t) => {
  const world = createWorld();
  const { scrub } = bench(t, world);
  const readAll = async (): Promise<void> =>
    scrub.checkAll({ onBegin() {}, onRead() {}, onChecked() {}, signal: new AbortController().signal });
  await readAll();
  assert.equal(scrub.succeededAtMs, START_MS, 'nothing is late where nothing is stored');
  assert.equal(await scrub.readAgainAtMs(), undefined);
  const sha1 = world.put('new', START_MS + 1);
  world.nowMs = START_MS + 2;
  assert.equal(await scrub.readAgainAtMs(), undefined);
  await readAll();
  assert.equal(await scrub.readAgainAtMs(), START_MS + 2);
  // A process that scrubs nothing itself goes by what is kept.
  assert.equal(await bench(t, world).scrub.readAgainAtMs(), START_MS + 2);
  world.blobs.delete(sha1);
  assert.equal(await scrub.readAgainAtMs(), undefined);
});

test('a background that has made way goes on after it, and says nothing of a failure', async (t) => {
  const world = createWorld();
  world.put('old', START_MS - 60 * DAY, 3 * MIB);
  const { scrub, checked } = bench(t, world);
  scrub.start();
  await until(() => scrub.isReading);
  let late: Sha1Hex | undefined;
  await scrub.checkAll({
    onBegin: () => undefined,
    onRead: () => undefined,
    // Overdue already, as what a backup brings back may be.
    onChecked: () => void (late = world.put('late', START_MS - 60 * DAY, MIB)),
    signal: new AbortController().signal,
  });
  world.haltAtMs = START_MS + 1_000;
  await until(() => checked.at(-1)?.sha1 === late);
  assert.deepEqual(world.log.linesOf(/failed/), []);
});

test('a full scrub that is aborted ends in the middle, and keeps what it has found', async (t) => {
  const world = createWorld();
  for (let n = 0; n < 3; n += 1) world.put(`blob ${n}`, START_MS - 60 * DAY + n, 3 * MIB);
  const { scrub, checked } = bench(t, world);
  const abort = new AbortController();
  const reason = new Error('enough');
  let pieces = 0;
  const running = scrub.checkAll({
    onBegin: () => undefined,
    onRead() {
      pieces += 1;
      if (pieces === 4) abort.abort(reason);
    },
    onChecked: () => undefined,
    signal: abort.signal,
  });
  await assert.rejects(running, reason);
  assert.equal(checked.length, 1);
  assert.equal(world.marks.size, 1);
});

test('closing breaks off what is being read, and whoever waits for a full scrub', async (t) => {
  const world = createWorld();
  world.put('big', START_MS - 60 * DAY, 1000 * MIB);
  const { scrub } = bench(t, world);
  scrub.start();
  await until(() => scrub.isReading);
  const full = { onBegin: () => undefined, onRead: () => undefined, onChecked: () => undefined };
  const running = scrub.checkAll({ ...full, signal: new AbortController().signal });
  const ended = assert.rejects(running, { code: 'ShuttingDown' });
  await scrub.close();
  await ended;
  await assert.rejects(scrub.checkAll({ ...full, signal: new AbortController().signal }), { code: 'ShuttingDown' });
});
