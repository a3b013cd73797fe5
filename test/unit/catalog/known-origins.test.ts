import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createKnownOrigins, type KnownOrigins } from '../../../src/catalog/known-origins.ts';
import { createEntry, createSnapshot, type Snapshot } from '../../../src/catalog/snapshot.ts';
import type { Manifest } from '../../../src/imgapi/manifest.ts';
import { createCaptureLog, type CaptureLog } from '../../support/capture-log.ts';
import { fakeKept, imageOf, uuidOf, type FakeKept } from './fake-catalog.ts';

const childOf = (n: number, origin: number): Manifest => imageOf(n, { origin: uuidOf(origin) });
const snapshotOf = (...manifests: Manifest[]): Snapshot =>
  createSnapshot(manifests.map((one) => createEntry(one, 'up0')));

function bench(): { readonly origins: KnownOrigins; readonly kept: FakeKept; readonly log: CaptureLog } {
  const [kept, log] = [fakeKept(), createCaptureLog()];
  return { origins: createKnownOrigins({ kept, log }), kept, log };
}

test('an image of a snapshot names its origin, another snapshot does not', () => {
  const { origins } = bench();
  const snapshots = [undefined, snapshotOf(imageOf(1)), snapshotOf(imageOf(2), childOf(3, 9))];
  assert.equal(origins.has(uuidOf(9), snapshots), true);
  assert.equal(origins.has(uuidOf(9), snapshots.slice(0, 2)), false);
  assert.equal(origins.has(uuidOf(3), snapshots), false);
});

test('an image that was noted names its origin', () => {
  const { origins } = bench();
  origins.note(imageOf(1));
  origins.note(childOf(2, 9));
  assert.deepEqual([origins.has(uuidOf(9), []), origins.has(uuidOf(1), [])], [true, false]);
});

test('a kept image names its origin; the files are read once, junk among them is passed over', async () => {
  const { origins, kept } = bench();
  kept.add(childOf(1, 9), 'up0');
  kept.byUuid.set(uuidOf(2), { upstream: 'up0', fetchedAt: '2026-01-01T00:00:00Z', manifest: { origin: uuidOf(8) } });
  assert.deepEqual([await origins.isKept(uuidOf(9)), await origins.isKept(uuidOf(8))], [true, false]);
  kept.all = () => assert.fail('read again');
  assert.equal(await origins.isKept(uuidOf(9)), true);
});

test('kept manifests that cannot be read make no origin known, and are no error', async () => {
  const { origins, kept, log } = bench();
  kept.all = () => {
    throw new Error('EIO');
  };
  assert.equal(await origins.isKept(uuidOf(9)), false);
  assert.equal(log.linesOf('warn').length, 1);
});
