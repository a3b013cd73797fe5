import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isInChannel, mergeChannels, parseChannels } from '../../../src/imgapi/channels.ts';
import { manifestOf } from '../../support/manifest-of.ts';

const DEV = { name: 'dev', description: 'development' };
const RELEASE = { name: 'release', description: 'release bits', default: true } as const;

function many(count: number): unknown[] {
  return Array.from({ length: count }, (_, index) => ({ name: `c${index}` }));
}

test("reads a real server's channels", () => {
  assert.deepEqual(parseChannels([DEV, RELEASE]), [DEV, RELEASE]);
  assert.deepEqual(parseChannels([]), []);
});

test('keeps no field it does not know, and no default but true', () => {
  assert.deepEqual(parseChannels([{ name: 'dev', description: 5, default: false, color: 'red' }]), [{ name: 'dev' }]);
});

test('counts a name that comes twice once', () => {
  assert.deepEqual(parseChannels([DEV, { ...DEV, description: 'again' }]), [DEV]);
});

test('refuses what is no list of channels', () => {
  for (const value of [
    undefined,
    null,
    {},
    'dev',
    ['dev'],
    [null],
    [{}],
    [{ name: 5 }],
    [{ name: '' }],
    [{ name: '*' }],
  ]) {
    assert.equal(parseChannels(value), undefined, JSON.stringify(value));
  }
});

test('bounds the list and its names', () => {
  assert.equal(parseChannels(many(100))?.length, 100);
  assert.equal(parseChannels(many(101)), undefined);
  assert.equal(parseChannels([{ name: 'c'.repeat(64) }])?.length, 1);
  assert.equal(parseChannels([{ name: 'c'.repeat(65) }]), undefined);
  assert.equal(parseChannels([{ name: 'c', description: 'd'.repeat(9999) }])?.[0]?.description?.length, 1024);
});

test('merges channels in precedence order, described by the first that has them', () => {
  const other = { name: 'dev', description: "somebody else's" };
  assert.deepEqual(mergeChannels([[DEV], undefined, [other, { name: 'staging' }]]), [DEV, { name: 'staging' }]);
  assert.deepEqual(mergeChannels([undefined, undefined]), []);
});

test('leaves exactly one default: the first one found', () => {
  const merged = mergeChannels([[DEV], [RELEASE, { name: 'staging' }], [{ name: 'staging', default: true }]]);
  assert.deepEqual(
    merged.filter((channel) => channel.default).map((channel) => channel.name),
    ['release'],
  );
});

test('makes the default the default even where a higher upstream has that channel as an ordinary one', () => {
  assert.deepEqual(mergeChannels([[{ name: 'release' }], [RELEASE]]), [{ name: 'release', default: true }]);
});

test('has no default where no upstream has one', () => {
  assert.deepEqual(mergeChannels([[DEV]]), [DEV]);
});

test('finds an image in its channels, in *, and everywhere if it has none', () => {
  const inDev = manifestOf({ channels: ['dev', 'staging'] });
  assert.equal(isInChannel(inDev, 'dev'), true);
  assert.equal(isInChannel(inDev, 'release'), false);
  assert.equal(isInChannel(inDev, '*'), true);
  assert.equal(isInChannel(manifestOf({}), 'release'), true);
  assert.equal(isInChannel(manifestOf({ channels: [] }), 'release'), false);
});
