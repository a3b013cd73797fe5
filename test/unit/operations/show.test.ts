import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KnownImage } from '../../../src/catalog/known-images.ts';
import { createShow, type ShowDeps, type ShownImage } from '../../../src/operations/show.ts';
import { filesOf, sha1Of, uuidOf } from '../../support/manifest-of.ts';
import { FACTS, fakeKnown, known, NO_CONTEXT } from './known.ts';

const lastUse = async (): Promise<number> => Date.UTC(2026, 0, 2);

async function show(
  uuid: string,
  rest: Partial<ShowDeps> = {},
  elsewhere: readonly KnownImage[] = [],
): Promise<ShownImage> {
  const fake = fakeKnown({ elsewhere });
  const deps: ShowDeps = {
    selection: fake.selection,
    known: fake.known,
    facts: FACTS,
    isStored: () => false,
    progressOf: () => undefined,
    lastUse: async () => undefined,
    contradictionOf: () => undefined,
    ...rest,
  };
  return createShow(deps).run({ uuid }, NO_CONTEXT);
}

test('the chain of origins is shown, the nearest first, each with whether it is cached', async () => {
  const { origins, manifest } = await show(uuidOf(4));
  assert.deepEqual(
    origins.map(({ uuid, name, version, known: isKnown, cached }) => [uuid, name, version, isKnown, cached]),
    [
      [uuidOf(3), 'web', '3', true, true],
      [uuidOf(1), 'base', '1.0.0', true, true],
    ],
  );
  assert.equal(manifest['name'], 'shop');
});

test('an origin that nobody knows ends the chain and is said to be unknown', async () => {
  const { origins } = await show(uuidOf(5));
  assert.deepEqual(origins, [{ uuid: uuidOf(99), name: '', version: '', known: false, cached: false }]);
});

test('a circle of origins ends', async () => {
  const images = [known(7, { origin: uuidOf(8) }), known(8, { origin: uuidOf(7) })];
  const all = async (): ReturnType<ShowDeps['known']['all']> => ({ images, isComplete: true });
  const { origins } = await show(uuidOf(7), { known: { all } }, images);
  assert.deepEqual(
    origins.map(({ uuid }) => uuid),
    [uuidOf(8), uuidOf(7)],
  );
});

test('the beginning of a uuid will do where it is of one known image alone', async () => {
  assert.equal((await show('00000004')).uuid, uuidOf(4));
  assert.equal((await show('00000004-1111')).uuid, uuidOf(4));
  await assert.rejects(show('0000000a'), { code: 'NothingSelected', message: /selects no image of 5/ });
});

test('every file says whether it is stored, how much of it is there, and when it was last used', async () => {
  const [one, two, three] = filesOf('one', 'two', 'three');
  const { files } = await show(
    uuidOf(7),
    {
      isStored: (sha1) => sha1 === sha1Of('one'),
      progressOf: (sha1) => (sha1 === sha1Of('two') ? 400 : undefined),
      lastUse: async (sha1) => (sha1 === sha1Of('one') ? Date.UTC(2026, 0, 2) : undefined),
    },
    [known(7, { files: [one, two, three] })],
  );
  assert.deepEqual(
    files.map(({ sha1, size, stored, received, lastUsedAt }) => [sha1, size, stored, received, lastUsedAt]),
    [
      [sha1Of('one'), 1000, true, null, '2026-01-02T00:00:00.000Z'],
      [sha1Of('two'), 1000, false, 400, null],
      [sha1Of('three'), 1000, false, null, null],
    ],
  );
});

test('what is not here was not used, as in a list, even where a use is remembered', async () => {
  const gone = await show(uuidOf(7), { lastUse, facts: { ...FACTS, isCached: () => false } }, [
    known(7, { files: filesOf('one') }),
  ]);
  assert.deepEqual([gone.lastUsedAt, gone.files[0]?.lastUsedAt], [null, null]);
  const here = { lastUse, isStored: () => true, facts: { ...FACTS, isCached: () => true } };
  const shown = await show(uuidOf(7), here, [known(7, { files: filesOf('one') })]);
  const at = '2026-01-02T00:00:00.000Z';
  assert.deepEqual([shown.lastUsedAt, shown.files[0]?.lastUsedAt], [at, at]);
});

test('capitals are taken, what is no uuid is refused, and what nobody has is not found', async () => {
  assert.equal((await show(uuidOf(10).toUpperCase(), {}, [known(10, {})])).uuid, uuidOf(10));
  await assert.rejects(show('base'), { code: 'ValidationFailed' });
  await assert.rejects(show('0000000'), { code: 'ValidationFailed', message: /first 8 digits/ });
  await assert.rejects(show(uuidOf(9)), { code: 'ResourceNotFound' });
});
