import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MirrorError } from '../../../src/imgapi/errors.ts';
import { isImageUuid, type ImageUuid } from '../../../src/imgapi/ids.ts';
import { uuidOf } from '../../support/manifest-of.ts';
import { fakeKnown, known, numbersOf } from './known.ts';

function uuid(n: number): ImageUuid {
  const text = uuidOf(n);
  assert(isImageUuid(text));
  return text;
}

test('without a selector all that is known is selected', async () => {
  const { images, warnings } = await fakeKnown().selection.all([]);
  assert.deepEqual([numbersOf(images), warnings], [[1, 2, 3, 4, 5], []]);
});

test('an image is taken if any of the selectors selects it, once', async () => {
  const { images } = await fakeKnown().selection.all(['name=base latest=1', 'name=web', 'cached']);
  assert.deepEqual(numbersOf(images), [1, 2, 3]);
});

test('a selector that selects nothing is told of; only where nothing at all is selected it is an error for `some`', async () => {
  const { selection } = fakeKnown();
  const mixed = await selection.some(['name=base', 'name=bsae']);
  assert.deepEqual(numbersOf(mixed.images), [1, 2]);
  assert.match(mixed.warnings.join('\n'), /bsae/);
  await assert.rejects(selection.some(['name=bsae']), { code: 'NothingSelected', message: /bsae[^]*base/ });
  const none = await selection.all(['name=bsae']);
  assert.deepEqual(none.images, []);
  assert.match(none.warnings.join('\n'), /bsae/);
});

test('all wrong selectors are named in one error', async () => {
  await assert.rejects(fakeKnown().selection.all(['nmae=base', 'name=base', 'size<2GB']), (error) => {
    assert(error instanceof MirrorError);
    assert.deepEqual(
      error.errors?.map(({ field }) => field),
      ['selectors', 'selectors'],
    );
    assert.match(error.message, /nmae[^]*2GB/);
    return true;
  });
});

test('a bare word is refused with the terms that would do, and how many images each selects', async () => {
  const { selection } = fakeKnown();
  const messageOf = async (text: string): Promise<string> =>
    selection.all([text]).then(
      () => 'none',
      (error: unknown) => String(error),
    );
  assert.match(await messageOf('bas'), /"bas" is no term; .*; did you mean name=\*bas\* \(2 images\)\?$/);
  assert.match(await messageOf('Web'), /did you mean name=\*web\* \(1 image\)\?$/, 'names are in lower case');
  assert.match(
    await messageOf('o'),
    /did you mean name=\*o\* \(2 images\) or os=\*o\* \(5 images\) or type=\*o\* \(5 images\)\?$/,
  );
  assert.match(await messageOf('w?b'), /did you mean name=w\?b \(1 image\)\?$/);
  const nothing = await messageOf('nothing');
  assert.match(nothing, /; none of 5 images has it in its name$/);
  assert.doesNotMatch(nothing, /did you mean/);
  assert.match(await messageOf('name=base bas'), /character 11: .* did you mean name=\*bas\* \(2 images\)\?$/);
});

test('a whole uuid that no list has is asked for at the upstreams, and only such a one', async () => {
  const elsewhere = [known(7, { name: 'unlisted' })];
  const fake = fakeKnown({ elsewhere });
  const { images } = await fake.selection.some([uuidOf(7), uuidOf(1), '00000002', 'name=web']);
  assert.deepEqual(
    numbersOf(images).toSorted((a, b) => a - b),
    [1, 2, 3, 7],
  );
  assert.deepEqual(fake.asked, [uuidOf(7)]);
  assert.equal(images.find(({ manifest }) => manifest.uuid === uuidOf(7))?.isListed, false);
});

test('a uuid that cannot be asked for is a warning: what else is selected still is', async () => {
  const { selection } = fakeKnown({ unsure: [uuidOf(8)] });
  const { images, warnings } = await selection.some([uuidOf(8), 'name=web']);
  assert.deepEqual(numbersOf(images), [3]);
  assert.match(warnings.join('\n'), new RegExp(`${uuidOf(8)} could not be asked for: up0 does not answer`));
});

test('at most 50 uuids of one selection are asked for: the budget is for clients too', async () => {
  const fake = fakeKnown();
  await fake.selection.all(Array.from({ length: 80 }, (_, at) => uuidOf(100 + at)));
  assert.equal(fake.asked.length, 50);
});

test('origins come along with `with-origins`; one that no list has is named', async () => {
  const { selection } = fakeKnown();
  const chain = await selection.some(['name=shop with-origins']);
  assert.deepEqual([numbersOf(chain.images), chain.missingOrigins], [[1, 3, 4], []]);
  const odd = await selection.some(['name=odd with-origins']);
  assert.deepEqual([numbersOf(odd.images), odd.missingOrigins], [[5], [uuidOf(99)]]);
  assert.deepEqual(odd.warnings, [`origin ${uuidOf(99)} is in no list that is known`]);
});

test('lists that are missing or old are told of', async () => {
  const { warnings } = await fakeKnown({ isComplete: false }).selection.all([]);
  assert.deepEqual(warnings, ['not all lists are current: images may be missing from what is known']);
});

test('offline, where no list is ever current, nobody is told so each time', async () => {
  const { selection } = fakeKnown({ isComplete: false, isOffline: true });
  assert.deepEqual((await selection.all([])).warnings, []);
});

test('lists of every channel are asked for only where a selector is about channels', async () => {
  const fake = fakeKnown();
  await fake.selection.all(['name=base']);
  await fake.selection.all(['name=base', 'channel=dev']);
  assert.deepEqual(fake.channels, [undefined, '*']);
});

test('nothing is selected before the store is counted: nothing would be cached', async () => {
  const counted = Promise.withResolvers<void>();
  const { selection, channels } = fakeKnown({ whenCounted: async () => counted.promise });
  const waiting = selection.all(['cached']);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(channels, []);
  counted.resolve();
  assert.deepEqual(numbersOf((await waiting).images), [1, 3]);
});

test('one image: known, asked for, absent, or not to be asked for', async () => {
  const fake = fakeKnown({ elsewhere: [known(7, { name: 'unlisted' })], unsure: [uuidOf(8)] });
  assert.equal((await fake.selection.one(uuid(1))).isListed, true);
  assert.deepEqual(fake.asked, []);
  assert.equal((await fake.selection.one(uuid(7))).isListed, false);
  await assert.rejects(fake.selection.one(uuid(9)), { code: 'ResourceNotFound' });
  await assert.rejects(fake.selection.one(uuid(8)), { code: 'ServiceUnavailableError' });
});
