import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ImageBlobs } from '../../../src/blobs/eviction-ranking.ts';
import { planImageEviction, type ImageEvictionFacts } from '../../../src/blobs/image-eviction-plan.ts';
import { isImageUuid, isSha1Hex, type ImageUuid, type Sha1Hex } from '../../../src/imgapi/ids.ts';
import { sha1Of, uuidOf } from '../../support/manifest-of.ts';

function uuid(n: number): ImageUuid {
  const text = uuidOf(n);
  assert.ok(isImageUuid(text));
  return text;
}

function blob(name: string): Sha1Hex {
  const text = sha1Of(name);
  assert.ok(isSha1Hex(text));
  return text;
}

function image(n: number, files: readonly string[], origin?: number, icon?: string): ImageBlobs {
  return {
    uuid: uuid(n),
    origin: origin === undefined ? undefined : uuid(origin),
    files: files.map(blob),
    icon: icon === undefined ? undefined : blob(icon),
  };
}

const EVERYTHING_STORED: ImageEvictionFacts = {
  has: () => true,
  heldBy: () => undefined,
  isPinned: () => false,
  isOpen: () => false,
  isRunning: () => false,
};

function plan(
  selected: readonly ImageBlobs[],
  images: readonly ImageBlobs[],
  facts: Partial<ImageEvictionFacts> = {},
): ReturnType<typeof planImageEviction> {
  return planImageEviction(selected, images, { ...EVERYTHING_STORED, ...facts });
}

test('an origin stays while an image that stays rests on it, however far above', () => {
  const chain = [image(1, ['a']), image(2, ['b'], 1), image(3, ['c'], 2)];
  const has = (sha1: Sha1Hex): boolean => sha1 !== blob('b');
  const { going, kept } = plan([image(1, ['a'])], chain, { has });
  assert.deepEqual(going, []);
  assert.deepEqual(kept, [{ uuid: uuid(1), reason: 'has-children', because: uuid(3) }]);
  assert.deepEqual(plan([image(1, ['a'])], chain.slice(0, 2), { has }).going, [{ uuid: uuid(1), blobs: [blob('a')] }]);
});

test('a child that stays keeps all that is below it, even where it was named too', () => {
  const chain = [image(1, ['a']), image(2, ['b'], 1), image(3, ['c'], 2)];
  const { going, kept } = plan(chain, chain, { isOpen: (sha1) => sha1 === blob('c') });
  assert.deepEqual(going, []);
  assert.deepEqual(
    kept.map(({ uuid: one, reason }) => [one, reason]),
    [
      [uuid(3), 'in-use'],
      [uuid(2), 'has-children'],
      [uuid(1), 'has-children'],
    ],
  );
});

test('a file that an image that stays has too is not removed; if it is the only one, the image stays', () => {
  const images = [image(1, ['a', 'shared']), image(2, ['shared']), image(3, ['shared'])];
  const { going, kept } = plan([images[0]!, images[1]!], images);
  assert.deepEqual(going, [{ uuid: uuid(1), blobs: [blob('a')] }]);
  assert.deepEqual(kept, [{ uuid: uuid(2), reason: 'shared', because: uuid(3) }]);
});

test('a file that several have which all go, goes once, with the last of them; icons likewise', () => {
  const images = [image(1, ['x', 'a'], undefined, 'icon'), image(2, ['x', 'b'], undefined, 'icon')];
  const { going } = plan(images, images);
  assert.deepEqual(going, [
    { uuid: uuid(1), blobs: [blob('a')] },
    { uuid: uuid(2), blobs: [blob('x'), blob('b'), blob('icon')] },
  ]);
});

test('an icon that an image that stays has too stays', () => {
  const images = [image(1, ['a'], undefined, 'icon'), image(2, ['b'], undefined, 'icon')];
  assert.deepEqual(plan([images[0]!], images).going, [{ uuid: uuid(1), blobs: [blob('a')] }]);
});

test('what is on its way stays, and an image without any file here is not spoken of', () => {
  const images = [image(1, ['a']), image(2, ['b'])];
  const { going, kept } = plan(images, images, {
    has: (sha1) => sha1 === blob('a'),
    isRunning: (sha1) => sha1 === blob('a'),
  });
  assert.deepEqual(going, []);
  assert.deepEqual(kept, [{ uuid: uuid(1), reason: 'downloading', because: undefined }]);
});

test('whatever is named: nothing that stays loses a file or an origin, and nothing goes before what rests on it', () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  const anyImages = fc.uniqueArray(
    fc.record({
      n: fc.nat({ max: 8 }),
      files: fc.uniqueArray(fc.constantFrom(...names), { minLength: 1, maxLength: 2 }),
      origin: fc.option(fc.nat({ max: 8 }), { nil: undefined }),
      icon: fc.option(fc.constantFrom('i', 'j'), { nil: undefined }),
    }),
    { selector: ({ n }) => n, maxLength: 9 },
  );
  const anyNames = fc.subarray(names).map((some) => new Set<string>(some.map(blob)));
  const numbers = fc.array(fc.nat({ max: 8 }), { maxLength: 9 });
  fc.assert(
    fc.property(anyImages, numbers, anyNames, anyNames, anyNames, (drawn, chosen, stored, open, pinned) => {
      // Origins of smaller numbers only: circles have a test of their own.
      const images = drawn.map(({ n, files, origin, icon }) =>
        image(n, files, origin !== undefined && origin < n ? origin : undefined, icon),
      );
      const byUuid = new Map(images.map((one) => [one.uuid, one]));
      const selected = images.filter((_, at) => chosen.includes(at));
      const has = (sha1: Sha1Hex): boolean => stored.has(sha1);
      const { going, kept } = plan(selected, images, {
        has,
        isOpen: (sha1) => open.has(sha1),
        isPinned: (sha1) => pinned.has(sha1),
      });
      const gone = new Set(going.flatMap(({ blobs }) => blobs));
      const order = new Map(going.map(({ uuid: one }, at) => [one, at]));
      const isCached = ({ files }: ImageBlobs): boolean => files.some(has);
      for (const sha1 of gone) assert.ok(has(sha1) && !pinned.has(sha1));
      for (const one of images.filter(isCached)) {
        let below = one.origin;
        while (below !== undefined) {
          const at = order.get(below);
          if (at !== undefined) assert.ok((order.get(one.uuid) ?? Infinity) < at, 'an origin goes before its child');
          below = byUuid.get(below)?.origin;
        }
        if (order.has(one.uuid)) continue;
        assert.ok(
          one.files.every((sha1) => !gone.has(sha1)),
          'an image that stays loses a file',
        );
      }
      const spokenOf = [...going, ...kept].map(({ uuid: one }) => one).toSorted();
      assert.deepEqual(
        spokenOf,
        selected
          .filter(isCached)
          .map(({ uuid: one }) => one)
          .toSorted(),
      );
    }),
    { numRuns: 500 },
  );
});

test('origins in a circle end, and can all go', () => {
  const images = [image(1, ['a'], 2), image(2, ['b'], 1)];
  assert.equal(plan(images, images).going.length, 2);
  assert.equal(plan([images[0]!], images).going.length, 0);
});
