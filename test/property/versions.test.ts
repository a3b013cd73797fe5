/** The laws of version negotiation. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { negotiateVersion } from '../../src/imgapi/versions.ts';
import type { ApiVersion } from '../../src/imgapi/versions.ts';

type Triple = readonly [number, number, number];

const OFFERED: readonly (readonly [ApiVersion, Triple])[] = [
  [2, [2, 0, 0]],
  [1, [1, 0, 0]],
];

function compare(a: Triple, b: Triple): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}

/** The operators on whole versions, by the book. */
const HOLDS: Readonly<Record<string, (offered: Triple, wanted: Triple) => boolean>> = {
  '': (offered, wanted) => compare(offered, wanted) === 0,
  '=': (offered, wanted) => compare(offered, wanted) === 0,
  '<': (offered, wanted) => compare(offered, wanted) < 0,
  '<=': (offered, wanted) => compare(offered, wanted) <= 0,
  '>': (offered, wanted) => compare(offered, wanted) > 0,
  '>=': (offered, wanted) => compare(offered, wanted) >= 0,
  '~': (offered, wanted) => compare(offered, wanted) >= 0 && offered[0] === wanted[0] && offered[1] === wanted[1],
  '^': (offered, wanted) => compare(offered, wanted) >= 0 && offered[0] === wanted[0],
};

const part = fc.nat({ max: 3 });
const comparator = fc.record({
  operator: fc.constantFrom(...Object.keys(HOLDS)),
  version: fc.tuple(part, part, part),
});
const alternatives = fc.array(fc.array(comparator, { maxLength: 3 }), { minLength: 1, maxLength: 3 });

test('the highest offered version answers that satisfies all comparators of some alternative', () => {
  fc.assert(
    fc.property(alternatives, fc.constantFrom(' ', '  '), (sets, space) => {
      const range = sets
        .map((set) => set.map(({ operator, version }) => `${operator}${version.join('.')}`).join(space))
        .join('||');
      const expected = OFFERED.find(([, offered]) =>
        sets.some((set) => set.every(({ operator, version }) => HOLDS[operator]?.(offered, version))),
      )?.[0];
      assert.equal(negotiateVersion(range), expected, range);
    }),
    { numRuns: 1000 },
  );
});

test('a version with parts left out means the same as with x for them', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('', '~', '^', '=', '<', '<=', '>', '>='),
      part,
      fc.constantFrom('x', 'X', '*'),
      (operator, major, x) => {
        const short = negotiateVersion(`${operator}${major}`);
        assert.equal(negotiateVersion(`${operator}${major}.${x}`), short);
        assert.equal(negotiateVersion(`${operator}${major}.${x}.${x}`), short);
      },
    ),
  );
});

test('any header at all gets an answer, and quickly', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom('~', '>', '=', '1', '.', ' ', '-', '|', 'x') })),
      (header) => {
        assert.ok([1, 2, undefined].includes(negotiateVersion(header)));
      },
    ),
    { numRuns: 1000 },
  );
});
