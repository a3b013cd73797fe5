import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createListFilter } from '../../../src/catalog/list-filter.ts';
import { manifestOf, uuidOf } from '../../support/manifest-of.ts';

const MANIFESTS = [1, 2, 3, 4].map((n) =>
  manifestOf({
    uuid: uuidOf(n),
    published_at: `2024-01-0${n}T00:00:00Z`,
    name: n < 4 ? 'base' : 'test-base',
    ...(n === 3 ? { origin: uuidOf(1) } : {}),
  }),
);

function left(include: readonly string[], exclude: readonly string[] = []): number[] {
  const filter = createListFilter([{ name: 'a', include, exclude }]);
  return filter('a', MANIFESTS).map(({ uuid }) => Number.parseInt(uuid.slice(0, 8), 16));
}

test('merges what is included and not excluded', () => {
  assert.deepEqual(left(['name=base']), [1, 2, 3]);
  assert.deepEqual(left([], ['name=test-*']), [1, 2, 3]);
  assert.deepEqual(left(['name=base', 'name=test*'], ['00000002']), [1, 3, 4]);
  assert.deepEqual(left(['name=base latest=1']), [3]);
  assert.deepEqual(left(['name=base latest=1 with-origins']), [1, 3]);
  assert.deepEqual(left(['upstream=b']), []);
});

test('gives the same array for the same list, and the list itself where nothing is configured', () => {
  const filter = createListFilter([
    { name: 'a', include: ['name=base'], exclude: [] },
    { name: 'b', include: [], exclude: [] },
  ]);
  assert.equal(filter('a', MANIFESTS), filter('a', MANIFESTS));
  assert.equal(filter('b', MANIFESTS), MANIFESTS);
  assert.equal(filter('c', MANIFESTS), MANIFESTS);
});
