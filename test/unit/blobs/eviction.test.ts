import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { TestContext } from 'node:test';
import { createEviction, type EvictionOptions } from '../../../src/blobs/eviction.ts';
import type { ImageBlobs } from '../../../src/blobs/eviction-ranking.ts';
import type { Leftover, StoredBlob } from '../../../src/blobs/upkeep.ts';
import { isImageUuid, sha1Of, type ImageUuid, type Sha1Hex } from '../../../src/imgapi/ids.ts';
import { createCaptureLog } from '../../support/capture-log.ts';
import { until } from '../../support/wait-for.ts';

const NOW = Date.UTC(2026, 0, 1);
const DAY_MS = 86_400_000;
const A = sha1Of(Buffer.from('a'));
const B = sha1Of(Buffer.from('b'));
const C = sha1Of(Buffer.from('c'));
const D = sha1Of(Buffer.from('d'));

function uuid(n: number): ImageUuid {
  const text = `00000000-0000-4000-8000-00000000000${n}`;
  assert(isImageUuid(text));
  return text;
}

/** Blobs of 100 bytes each, the first the one that arrived first, in a cache that can hold `capacity`. */
function bench(t: TestContext, sha1s: readonly Sha1Hex[], capacity = 1_000, options: Partial<EvictionOptions> = {}) {
  const blobs = new Map<Sha1Hex, StoredBlob>();
  for (const [n, sha1] of sha1s.entries())
    blobs.set(sha1, { sha1, size: 90, footprint: 100, arrivedAtMs: NOW - 1_000 + n });
  const state = {
    blobs,
    leftovers: [] as Leftover[],
    lastUse: new Map<Sha1Hex, number>(),
    pinned: new Set<Sha1Hex>(),
    /** Images, and the pinned ones that hold them. */
    heldBy: new Map<ImageUuid, ImageUuid>(),
    open: new Set<Sha1Hex>(),
    running: new Set<Sha1Hex>(),
    stuck: new Set<Sha1Hex>(),
    /** Opened just before it would go. */
    opening: new Set<Sha1Hex>(),
    images: [] as ImageBlobs[],
    forgotten: [] as ImageUuid[],
    evicted: [] as [string, number][],
    /** Bytes that others took of the same disk. */
    foreign: 0,
    isDiskBroken: false,
  };
  const usedBytes = (): number =>
    [...blobs.values(), ...state.leftovers].reduce(
      (sum, each) => sum + ('footprint' in each ? each.footprint : each.bytes),
      0,
    );
  const log = createCaptureLog();
  const settings = { keepPartialsMs: 7 * DAY_MS, keepQuarantinedMs: 2 * DAY_MS, nudgeMs: 1, settleMs: 0, ...options };
  const eviction = createEviction(
    {
      upkeep: {
        blobs: () => blobs.values(),
        has: (sha1) => blobs.has(sha1),
        isOpen: (sha1) => state.open.has(sha1),
        async remove(sha1) {
          if (state.stuck.has(sha1)) throw new Error('EIO');
          if (state.opening.has(sha1)) {
            state.open.add(sha1);
            return 0;
          }
          const bytes = blobs.get(sha1)?.footprint ?? 0;
          blobs.delete(sha1);
          return bytes;
        },
        async leftovers() {
          if (state.isDiskBroken) throw new Error('EIO');
          return state.leftovers;
        },
        async removeLeftover(gone) {
          state.leftovers = state.leftovers.filter((each) => each !== gone);
          return gone.bytes;
        },
        use: async () => ({ usedBytes: usedBytes(), leftovers: [] }),
      },
      room: async () => ({
        roomBytes: capacity - state.foreign - usedBytes(),
        capacityBytes: Math.max(0, capacity - state.foreign),
      }),
      lastUse: async (sha1) => state.lastUse.get(sha1),
      isPinned: (sha1) => state.pinned.has(sha1),
      heldBy: (image) => state.heldBy.get(image),
      isRunning: (sha1) => state.running.has(sha1),
      images: async () => state.images,
      async forgetImage(image, isUnwanted) {
        if (isUnwanted()) state.forgotten.push(image);
      },
      onEvicted: (reason, bytes) => state.evicted.push([reason, bytes]),
      log,
      now: () => NOW,
    },
    settings,
  );
  t.after(() => eviction.close());
  return { ...state, state, eviction, log, settings, left: () => [...blobs.keys()] };
}

function leftover(place: Leftover['place'], sha1: Sha1Hex, ageMs: number, isOpen = false): Leftover {
  return { place, sha1, paths: [], bytes: 10, changedAtMs: NOW - ageMs, isOpen };
}

suite('eviction on demand', () => {
  test('the least recently used go, and no more than are needed', async (t) => {
    const { eviction, lastUse, left, evicted } = bench(t, [A, B, C]);
    lastUse.set(A, NOW);
    assert.equal(await eviction.makeRoom(150), true);
    assert.deepEqual(left(), [A]);
    assert.deepEqual(evicted, [
      ['demand', 100],
      ['demand', 100],
    ]);
  });

  test('a blob that was used long ago and has come back since counts as new', async (t) => {
    const { eviction, lastUse, left } = bench(t, [A, B]);
    lastUse.set(B, 5);
    lastUse.set(A, 10);
    assert.equal(await eviction.makeRoom(1), true);
    assert.deepEqual(left(), [B]);
  });

  test('what is pinned, open or running stays', async (t) => {
    const { eviction, state, left } = bench(t, [A, B, C, D]);
    state.pinned.add(A);
    state.open.add(B);
    state.running.add(C);
    assert.equal(await eviction.makeRoom(100), true);
    assert.deepEqual(left(), [A, B, C]);
  });

  test('what would go is told, and stays', async (t) => {
    const { eviction, state, left } = bench(t, [A, B, C]);
    state.pinned.add(A);
    state.leftovers = [leftover('partial', D, 0)];
    assert.deepEqual(await eviction.preview(100), { blobs: 1, bytes: 110 });
    assert.equal(await eviction.preview(1_000), undefined);
    assert.deepEqual(await eviction.preview(Number.POSITIVE_INFINITY), { blobs: 2, bytes: 210 });
    assert.deepEqual([left(), state.leftovers.length], [[A, B, C], 1]);
  });

  test('where enough cannot go, nothing does', async (t) => {
    const { eviction, state, left, evicted } = bench(t, [A, B]);
    state.pinned.add(A);
    state.leftovers.push(leftover('quarantine', C, 0));
    assert.equal(await eviction.makeRoom(111), false);
    assert.deepEqual(left(), [A, B]);
    assert.deepEqual(evicted, []);
    assert.equal(await eviction.makeRoom(110), true);
    assert.deepEqual(left(), [A]);
  });

  test('unfinished and quarantined files go first, but not those of the very download that asks, or of one that runs', async (t) => {
    const { eviction, state, left } = bench(t, [A]);
    state.leftovers.push(leftover('partial', B, 0), leftover('partial', C, 0, true), leftover('quarantine', B, 0));
    assert.equal(await eviction.makeRoom(10, B), true);
    assert.deepEqual(
      state.leftovers.map(({ place, sha1 }) => [place, sha1]),
      [
        ['partial', B],
        ['partial', C],
      ],
    );
    assert.equal(await eviction.makeRoom(1, B), true);
    assert.deepEqual(left(), []);
    assert.equal(state.leftovers.length, 2);
  });

  test('a blob that cannot be removed costs no client its room: others go in its place', async (t) => {
    const { eviction, state, left, log } = bench(t, [A, B, C]);
    state.stuck.add(A);
    assert.equal(await eviction.makeRoom(200), true);
    assert.deepEqual(left(), [A]);
    assert.equal(log.linesOf(/could not be evicted/).length, 1);
    assert.equal(await eviction.makeRoom(1), false);
    assert.equal(log.linesOf(/could not be evicted/).length, 1);
  });

  test('an image goes with the last of its files, and not before', async (t) => {
    const { eviction, state } = bench(t, [A, B, C]);
    state.images.push(
      { uuid: uuid(1), origin: undefined, files: [A, B], icon: undefined },
      { uuid: uuid(2), origin: undefined, files: [A], icon: undefined },
    );
    await eviction.makeRoom(100);
    assert.deepEqual(state.forgotten, [uuid(2)]);
    await eviction.makeRoom(100);
    assert.deepEqual(state.forgotten, [uuid(2), uuid(1)]);
  });

  test('a disk that cannot be read is no room, and no error', async (t) => {
    const { eviction, state, log } = bench(t, [A]);
    state.isDiskBroken = true;
    assert.equal(await eviction.makeRoom(1), false);
    assert.equal(log.linesOf(/no room could be made/).length, 1);
  });
});

suite('eviction ahead of need', () => {
  const many = Array.from({ length: 40 }, (_, n) => sha1Of(Buffer.from(`blob ${n}`)));

  test('begins below 5 % of what can be held and ends at 10 %, and looks again when nudged', async (t) => {
    const { eviction, state, blobs, left, evicted } = bench(t, many.slice(0, 18), 2_000);
    eviction.start();
    await until(() => eviction.lastRunAtMs === NOW);
    assert.equal(left().length, 18);
    for (const sha1 of many.slice(18, 20)) blobs.set(sha1, { sha1, size: 90, footprint: 100, arrivedAtMs: NOW });
    eviction.nudge();
    await until(() => left().length === 18);
    assert.deepEqual(left(), many.slice(2, 20));
    assert.deepEqual(evicted, [
      ['ahead', 100],
      ['ahead', 100],
    ]);
    assert.deepEqual(state.leftovers, []);
  });

  test('gives way when others fill the disk', async (t) => {
    const { eviction, state, left } = bench(t, many, 4_500);
    state.foreign = 2_500;
    eviction.start();
    await until(() => left().length === 18);
    state.foreign = 100_000;
    eviction.nudge();
    await until(() => left().length === 0);
  });

  test('does not empty the cache for a headroom that what is pinned takes', async (t) => {
    const { eviction, state, left } = bench(t, many.slice(0, 20), 2_050);
    for (const sha1 of many.slice(1, 20)) state.pinned.add(sha1);
    eviction.start();
    await until(() => eviction.lastRunAtMs !== undefined);
    assert.equal(left().length, 20);
  });

  test('runs again after one that failed', async (t) => {
    const { eviction, state, log } = bench(t, [A]);
    state.isDiskBroken = true;
    eviction.start();
    await until(() => log.linesOf('error').length === 1);
    assert.equal(eviction.lastRunAtMs, undefined);
    state.isDiskBroken = false;
    eviction.nudge();
    await until(() => eviction.lastRunAtMs === NOW);
  });
});

suite('ageing', () => {
  test('each kind has its age; what is being written has none', async (t) => {
    const { eviction, state, evicted } = bench(t, []);
    const young = [
      leftover('partial', A, 6 * DAY_MS),
      leftover('quarantine', A, DAY_MS),
      leftover('partial', C, 9 * DAY_MS, true),
    ];
    state.leftovers = [leftover('partial', B, 7 * DAY_MS), leftover('quarantine', B, 2 * DAY_MS), ...young];
    eviction.start();
    await until(() => eviction.lastRunAtMs !== undefined);
    assert.deepEqual(state.leftovers, young);
    assert.deepEqual(evicted, [
      ['age', 10],
      ['age', 10],
    ]);
  });

  test('an age that is changed while the mirror runs holds from the next look on', async (t) => {
    const { eviction, state, settings } = bench(t, []);
    state.leftovers = [leftover('partial', A, 3 * DAY_MS), leftover('quarantine', B, DAY_MS)];
    eviction.start();
    await until(() => eviction.lastRunAtMs !== undefined);
    assert.equal(state.leftovers.length, 2);
    Object.assign(settings, { keepPartialsMs: 2 * DAY_MS, keepQuarantinedMs: DAY_MS });
    eviction.nudge();
    await until(() => state.leftovers.length === 0);
  });

  test('of too many quarantined files the oldest go', async (t) => {
    const { eviction, state, evicted } = bench(t, [], 1_000, { maxQuarantined: 2 });
    state.leftovers = [30, 10, 20, 40].map((ageMs) => leftover('quarantine', A, ageMs));
    eviction.start();
    await until(() => eviction.lastRunAtMs !== undefined);
    assert.deepEqual(
      state.leftovers.map(({ changedAtMs }) => NOW - changedAtMs),
      [10, 20],
    );
    assert.deepEqual(evicted, [
      ['surplus', 10],
      ['surplus', 10],
    ]);
  });

  test('nothing runs before the start or after the close', async (t) => {
    const { eviction, state } = bench(t, []);
    state.leftovers = [leftover('quarantine', A, 9 * DAY_MS)];
    eviction.nudge();
    await eviction.close();
    eviction.start();
    eviction.nudge();
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(state.leftovers.length, 1);
  });
});

suite('eviction of named images', () => {
  const parent: ImageBlobs = { uuid: uuid(1), origin: undefined, files: [A], icon: undefined };
  const child: ImageBlobs = { uuid: uuid(2), origin: uuid(1), files: [B], icon: C };
  const { signal } = new AbortController();

  test('a child goes before its origin, its icon with it, and both are forgotten', async (t) => {
    const { eviction, state, left, evicted } = bench(t, [A, B, C, D]);
    state.images.push(parent, child);
    const result = await eviction.evictImages([parent, child], { dryRun: false, signal });
    assert.deepEqual(result, {
      evicted: [
        { uuid: uuid(2), bytes: 200 },
        { uuid: uuid(1), bytes: 100 },
      ],
      kept: [],
    });
    assert.deepEqual(left(), [D]);
    assert.deepEqual(state.forgotten, [uuid(2), uuid(1)]);
    assert.deepEqual(new Set(evicted.map(([reason]) => reason)), new Set(['operator']));
  });

  test('a dry run says the same and removes nothing', async (t) => {
    const { eviction, state, left } = bench(t, [A, B, C]);
    state.images.push(parent, child);
    const result = await eviction.evictImages([parent, child], { dryRun: true, signal });
    assert.deepEqual(
      result.evicted.map(({ bytes }) => bytes),
      [200, 100],
    );
    assert.deepEqual(left(), [A, B, C]);
  });

  test('a child that cannot be removed keeps its origin', async (t) => {
    const { eviction, state, left } = bench(t, [A, B, C]);
    state.images.push(parent, child);
    state.stuck.add(B);
    const result = await eviction.evictImages([parent, child], { dryRun: false, signal });
    assert.deepEqual(result, {
      evicted: [],
      kept: [
        { uuid: uuid(2), reason: 'not-removed', because: undefined },
        { uuid: uuid(1), reason: 'has-children', because: uuid(2) },
      ],
    });
    assert.deepEqual(left(), [A, B]);
  });

  test('one that is put to use in the meantime stays, and is said to be in use', async (t) => {
    const { eviction, state, left } = bench(t, [A]);
    state.images.push(parent);
    state.opening.add(A);
    const { kept } = await eviction.evictImages([parent], { dryRun: false, signal });
    assert.deepEqual(kept, [{ uuid: uuid(1), reason: 'in-use', because: undefined }]);
    assert.deepEqual(left(), [A]);
  });

  test('more than one batch goes, and an abort ends it between batches', async (t) => {
    const sha1s = Array.from({ length: 30 }, (_, n) => sha1Of(Buffer.from(`many ${n}`)));
    const images = sha1s.map((sha1, n): ImageBlobs => {
      const text = `00000000-0000-4000-8000-0000000000${n + 10}`;
      assert(isImageUuid(text));
      return { uuid: text, origin: undefined, files: [sha1], icon: undefined };
    });
    const { eviction, state, left } = bench(t, sha1s, 10_000);
    state.images.push(...images);
    const stop = AbortSignal.abort();
    assert.deepEqual(await eviction.evictImages(images, { dryRun: false, signal: stop }), { evicted: [], kept: [] });
    assert.equal((await eviction.evictImages(images, { dryRun: false, signal })).evicted.length, 30);
    assert.deepEqual(left(), []);
  });

  test('what a pin holds stays, by the facts from outside', async (t) => {
    const { eviction, state, left } = bench(t, [A, B, C]);
    state.images.push(parent, child);
    state.heldBy.set(uuid(1), uuid(2)).set(uuid(2), uuid(2));
    for (const sha1 of [A, B, C]) state.pinned.add(sha1);
    const { evicted, kept } = await eviction.evictImages([parent, child], { dryRun: false, signal });
    assert.deepEqual(evicted, []);
    assert.deepEqual(kept, [
      { uuid: uuid(1), reason: 'origin-of-pinned', because: uuid(2) },
      { uuid: uuid(2), reason: 'pinned', because: undefined },
    ]);
    assert.equal(left().length, 3);
  });
});
