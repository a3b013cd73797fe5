import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KnownImage } from '../../../src/catalog/known-images.ts';
import { completeChains } from '../../../src/prefetch/complete-chains.ts';
import { createPrefetchHolds } from '../../../src/prefetch/holds.ts';
import { planPrefetch, type PrefetchPlan } from '../../../src/prefetch/plan.ts';
import { roomFor } from '../../../src/prefetch/room.ts';
import { footprintOf } from '../../../src/blobs/footprint.ts';
import { MirrorError } from '../../../src/imgapi/errors.ts';
import { isSha1Hex, type Sha1Hex } from '../../../src/imgapi/ids.ts';
import { manifestOf, sha1Of, uuidOf } from '../../support/manifest-of.ts';
import { knownImage } from './known-image.ts';

const never = new AbortController().signal;
const nothing = (): boolean => false;

function order(plan: PrefetchPlan): readonly string[] {
  return plan.images.map(({ image }) => image.manifest.uuid);
}

function uuids(...numbers: readonly number[]): readonly string[] {
  return numbers.map(uuidOf);
}

function blob(content: string): Sha1Hex {
  const sha1 = sha1Of(content);
  assert.ok(isSha1Hex(sha1));
  return sha1;
}

test('an origin comes before what rests on it, the rest in the order given', () => {
  const images = [knownImage(1, ['a'], 3), knownImage(2, ['b']), knownImage(3, ['c'], 4), knownImage(4, ['d'])];
  assert.deepEqual(order(planPrefetch(images, nothing)), uuids(4, 3, 1, 2));
});

test('an origin that is not among the images is not waited for, an image named twice is planned once', () => {
  const images = [knownImage(1, ['a'], 9), knownImage(2, ['b']), knownImage(1, ['a'], 9)];
  assert.deepEqual(order(planPrefetch(images, nothing)), uuids(1, 2));
});

test('a circle of origins ends', () => {
  const images = [knownImage(1, ['a'], 2), knownImage(2, ['b'], 3), knownImage(3, ['c'], 1)];
  assert.deepEqual(new Set(order(planPrefetch(images, nothing))), new Set(uuids(1, 2, 3)));
});

test('what is stored is not fetched, and a file of two images is fetched once', () => {
  const images = [knownImage(1, ['a', 'shared']), knownImage(2, ['shared']), knownImage(3, ['c']), knownImage(4, [])];
  const plan = planPrefetch(images, ({ sha1 }) => sha1 === blob('c') || sha1 === blob('a'));
  assert.deepEqual(plan.missing, { images: 2, files: 1, bytes: 1000 });
  assert.deepEqual(plan.present, { images: 2, files: 2, bytes: 2000 });
  assert.deepEqual(
    plan.images.map(({ files, waitsForShared }) => [files.map(({ index }) => index), waitsForShared]),
    [
      [[1], false],
      [[], true],
      [[], false],
      [[], false],
    ],
  );
});

test('a file of no bytes is never missing', () => {
  const manifest = manifestOf({ files: [{ sha1: sha1Of(''), size: 0 }] });
  const plan = planPrefetch([{ ...knownImage(1, []), manifest }], nothing);
  assert.equal(plan.missing.files, 0);
});

test('origins in no list are looked up, with theirs, and what nobody has is told with its reason', async () => {
  const hidden = new Map<string, KnownImage>(
    [knownImage(5, ['e'], 6), knownImage(6, ['f'], 1)].map((image) => [image.manifest.uuid, image]),
  );
  const asked: string[] = [];
  const missing = [5, 8].map((n) => knownImage(n, []).manifest.uuid);
  const { found, unresolvable } = await completeChains(
    missing,
    (uuid) => uuid === uuidOf(1),
    async (uuid) => {
      asked.push(uuid);
      const image = hidden.get(uuid);
      if (image === undefined) throw new MirrorError('ResourceNotFound', 'no upstream has it');
      return image;
    },
    never,
  );
  assert.deepEqual(
    found.map(({ manifest }) => manifest.uuid),
    uuids(5, 6),
  );
  assert.deepEqual(unresolvable, [{ uuid: uuidOf(8), reason: 'no upstream has it', absent: true }]);
  assert.deepEqual(asked, uuids(5, 8, 6));
});

test('it fits where there is room, or where enough may go; else it is told what may go at most', async () => {
  const plan = planPrefetch([knownImage(1, ['a']), knownImage(2, ['b'])], nothing);
  const neededBytes = 2 * footprintOf(1000);
  const asked: number[] = [];
  const withRoom = async (roomBytes: number, evictable: number) =>
    roomFor(plan, {
      room: async () => ({ roomBytes, capacityBytes: 1e9 }),
      async previewEviction(bytes) {
        asked.push(bytes);
        return bytes <= evictable || bytes === Infinity ? { blobs: 1, bytes: evictable } : undefined;
      },
    });
  assert.deepEqual(await withRoom(neededBytes, 0), {
    neededBytes,
    roomBytes: neededBytes,
    evict: { blobs: 0, bytes: 0 },
    fits: true,
  });
  assert.deepEqual(asked, []);
  const tight = await withRoom(neededBytes - 500, 600);
  assert.deepEqual([tight.fits, tight.evict, asked], [true, { blobs: 1, bytes: 600 }, [500]]);
  const full = await withRoom(-100, 600);
  assert.deepEqual([full.fits, full.evict], [false, { blobs: 1, bytes: 600 }]);
});

test('what nothing has to be fetched for fits on any disk', async () => {
  const plan = planPrefetch([knownImage(1, ['a'])], () => true);
  const room = await roomFor(plan, {
    room: async () => ({ roomBytes: -5000, capacityBytes: 0 }),
    previewEviction: async () => undefined,
  });
  assert.ok(room.fits);
});

test('blobs are held until the last prefetch that wants them lets go', () => {
  const holds = createPrefetchHolds();
  const [first, second] = [holds.hold([blob('a'), blob('b')]), holds.hold([blob('b')])];
  first();
  first();
  assert.deepEqual([holds.has(blob('a')), holds.has(blob('b'))], [false, true]);
  second();
  assert.equal(holds.has(blob('b')), false);
});
