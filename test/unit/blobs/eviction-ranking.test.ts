/** The laws of who goes first, against a model that is slow and plain. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { chooseVictims } from '../../../src/blobs/eviction-plan.ts';
import { rankBlobs, type ImageBlobs, type RankedBlob } from '../../../src/blobs/eviction-ranking.ts';
import { isImageUuid, sha1Of, type ImageUuid, type Sha1Hex } from '../../../src/imgapi/ids.ts';

function sha1(n: number): Sha1Hex {
  return sha1Of(Buffer.from(`blob ${n}`));
}

function uuid(n: number): ImageUuid {
  const text = `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;
  assert(isImageUuid(text));
  return text;
}

function blob(n: number, usedAtMs: number, isProtected = false): RankedBlob {
  return { sha1: sha1(n), usedAtMs, isProtected };
}

function image(n: number, files: readonly number[], origin?: number, icon?: number): ImageBlobs {
  return {
    uuid: uuid(n),
    files: files.map(sha1),
    origin: origin === undefined ? undefined : uuid(origin),
    icon: icon === undefined ? undefined : sha1(icon),
  };
}

function order(blobs: readonly RankedBlob[], images: readonly ImageBlobs[]): Sha1Hex[] {
  return [...rankBlobs(blobs, images)].map((each) => each.sha1);
}

suite('the order of eviction', () => {
  test('is that of last use where nothing else matters', () => {
    assert.deepEqual(order([blob(1, 30), blob(2, 10), blob(3, 20)], []), [2, 3, 1].map(sha1));
  });

  test('a child goes before its origin, however long the origin was not used', () => {
    const images = [image(1, [1]), image(2, [2], 1), image(3, [3], 2)];
    assert.deepEqual(order([blob(1, 1), blob(2, 2), blob(3, 100), blob(4, 50)], images), [4, 3, 2, 1].map(sha1));
  });

  test('a chain holds across an image whose files are gone', () => {
    const images = [image(1, [1]), image(2, [2], 1), image(3, [3], 2)];
    assert.deepEqual(order([blob(1, 1), blob(3, 100)], images), [3, 1].map(sha1));
  });

  test('what a protected blob rests on stays with it', () => {
    const images = [image(1, [1]), image(2, [2], 1), image(3, [3], 2)];
    assert.deepEqual(order([blob(1, 1), blob(2, 2), blob(3, 3, true), blob(4, 4)], images), [sha1(4)]);
  });

  test('an origin of several images goes after the last of them', () => {
    const images = [image(1, [1]), image(2, [2], 1), image(3, [3], 1)];
    assert.deepEqual(order([blob(1, 0), blob(2, 5), blob(3, 9), blob(4, 7)], images), [2, 4, 3, 1].map(sha1));
  });

  test('an icon goes after the files of its image, and one sha1 in child and origin rests on nothing', () => {
    assert.deepEqual(order([blob(1, 9), blob(2, 1)], [image(1, [1], undefined, 2)]), [1, 2].map(sha1));
    assert.deepEqual(order([blob(1, 9)], [image(1, [1]), image(2, [1], 1)]), [sha1(1)]);
  });

  test('manifests that name each other as origin do not make their files stay for ever', () => {
    const images = [image(1, [1], 2), image(2, [2], 1), image(3, [3], 3)];
    assert.deepEqual(order([blob(1, 5), blob(2, 4), blob(3, 9)], images), [3, 2, 1].map(sha1));
  });

  // Origins have lower numbers than their children here, as in the world: no circles.
  const world = fc.integer({ min: 1, max: 12 }).chain((count) =>
    fc.record({
      blobs: fc.tuple(
        ...Array.from({ length: count }, (_, n) =>
          fc.tuple(fc.nat(20), fc.boolean(), fc.boolean()).map(([usedAtMs, a, b]) => blob(n, usedAtMs, a && b)),
        ),
      ),
      images: fc.tuple(
        ...Array.from({ length: count }, (_, n) =>
          fc
            .option(fc.nat(Math.max(0, n - 1)), { nil: undefined })
            .map((origin) => image(n, [n], n > 0 ? origin : undefined)),
        ),
      ),
    }),
  );

  test('law: it is the one a plain model gives: again and again the least recently used without a child that is left', () => {
    fc.assert(
      fc.property(world, ({ blobs, images }) => {
        const left = new Map(blobs.map((each) => [each.sha1, each]));
        const hasChild = (parent: Sha1Hex): boolean => {
          const owner = images.find(({ files }) => files[0] === parent);
          return images.some(
            ({ origin, files: [file] }) => origin === owner?.uuid && file !== undefined && left.has(file),
          );
        };
        const expected: Sha1Hex[] = [];
        for (;;) {
          const [next] = [...left.values()]
            .filter((each) => !each.isProtected && !hasChild(each.sha1))
            .toSorted((a, b) => a.usedAtMs - b.usedAtMs || (a.sha1 < b.sha1 ? -1 : 1));
          if (next === undefined) break;
          expected.push(next.sha1);
          left.delete(next.sha1);
        }
        assert.deepEqual(order(blobs, images), expected);
      }),
    );
  });

  test('law: with manifests as bad as can be nothing protected is named, nothing twice, and every blob without protection above it is', () => {
    const wild = fc.record({
      blobs: fc.uniqueArray(fc.tuple(fc.nat(9), fc.nat(5), fc.boolean()), { selector: ([n]) => n }),
      images: fc.array(
        fc.tuple(fc.nat(6), fc.array(fc.nat(9), { maxLength: 3 }), fc.option(fc.nat(6), { nil: undefined }), fc.nat(9)),
        { maxLength: 10 },
      ),
    });
    fc.assert(
      fc.property(wild, ({ blobs, images }) => {
        const all = blobs.map(([n, usedAtMs, isProtected]) => blob(n, usedAtMs, isProtected));
        const ranked = order(
          all,
          images.map(([n, files, origin, icon]) => image(n, files, origin, icon)),
        );
        assert.equal(new Set(ranked).size, ranked.length);
        for (const each of ranked) assert.equal(all.find((one) => one.sha1 === each)?.isProtected, false);
        if (all.every(({ isProtected }) => !isProtected)) assert.equal(ranked.length, all.length);
      }),
    );
  });
});

const leftover = (place: 'partial' | 'quarantine', n: number, changedAtMs: number) =>
  ({ place, sha1: sha1(n), paths: [], bytes: 10, changedAtMs, isOpen: false }) as const;
const sized = (n: number) => ({ ...blob(n, n), footprint: 100 });

suite('the choice of victims', () => {
  const leftovers = [leftover('partial', 1, 5), leftover('quarantine', 2, 9), leftover('quarantine', 3, 7)];

  test('quarantine goes first, then unfinished downloads, the oldest first, then blobs; and no more than is needed', () => {
    const chosen = chooseVictims(leftovers, [sized(4), sized(5)], 31);
    assert.deepEqual(
      chosen?.map((victim) => [victim.kind, victim.sha1]),
      [
        ['quarantine', sha1(3)],
        ['quarantine', sha1(2)],
        ['partial', sha1(1)],
        ['blob', sha1(4)],
      ],
    );
  });

  test('where all of it would not do, nothing goes', () => {
    assert.equal(chooseVictims(leftovers, [sized(4)], 131), undefined);
    assert.equal(chooseVictims(leftovers, [sized(4)], 130)?.length, 4);
    assert.deepEqual(chooseVictims(leftovers, [sized(4)], 0), []);
    assert.equal(chooseVictims(leftovers, [sized(4)], Number.POSITIVE_INFINITY)?.length, 4);
  });

  test('law: it frees enough if that is possible, and the last one is needed', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(50), { maxLength: 10 }), fc.nat(400), (sizes, bytes) => {
        const blobs = sizes.map((footprint, n) => ({ ...blob(n, n), footprint }));
        const total = sizes.reduce((sum, size) => sum + size, 0);
        const chosen = chooseVictims([], blobs, bytes);
        assert.equal(chosen !== undefined, total >= bytes);
        const freed = (chosen ?? []).map((victim) => victim.bytes);
        assert(chosen === undefined || freed.reduce((sum, size) => sum + size, 0) >= bytes);
        assert(freed.length === 0 || freed.slice(0, -1).reduce((sum, size) => sum + size, 0) < bytes);
      }),
    );
  });
});
