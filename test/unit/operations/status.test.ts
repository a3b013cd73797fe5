import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WantedBlob } from '../../../src/downloads/wanted.ts';
import { isImageUuid, isSha1Hex } from '../../../src/imgapi/ids.ts';
import { describeDownloads, type Labels } from '../../../src/operations/downloads.ts';
import { sha1Of, uuidOf } from '../../support/manifest-of.ts';

type Running = Parameters<typeof describeDownloads>[0];

function runningOf(sources: readonly { readonly uuid: string }[]): Running {
  const sha1 = sha1Of('one');
  assert(isSha1Hex(sha1));
  const download = { wanted: { sha1, size: 10, sources }, written: 4, followers: 2, priority: 'demand' };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- all of a download that is described
  return { running: [download], passing: [] } as unknown as Running;
}

const labels: Labels = (uuid) => (uuid === uuidOf(1) ? { uuid, name: 'base', version: '1' } : undefined);

test('a running download is described as it stands now, with the image it was asked for', () => {
  const uuid = uuidOf(1);
  assert(isImageUuid(uuid));
  assert.deepEqual(describeDownloads(runningOf([{ uuid }]), labels), [
    {
      sha1: sha1Of('one'),
      image: { uuid, name: 'base', version: '1' },
      size: 10,
      received: 4,
      followers: 2,
      priority: 'demand',
      passedThrough: false,
    },
  ]);
  const [nameless] = describeDownloads(runningOf([{ uuid: uuidOf(2) }]), labels);
  assert.deepEqual(nameless?.image, { uuid: uuidOf(2), name: '', version: '' });
  assert.equal(describeDownloads(runningOf([]), labels)[0]?.image, null);
});

const named = (names: string): object[] => Array.from(names, (sha1) => ({ wanted: { sha1, size: 1, sources: [] } }));

test('of many downloads and pass-throughs the first ones are of both kinds, each in the order in which they began', () => {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- all of them that is described
  const found = { running: named('abcd'), passing: named('xy') } as unknown as Running;
  const order = describeDownloads(found, labels).map(({ sha1 }) => sha1);
  assert.equal(order.join(''), 'axbycd');
});

test('what is passed through is told beside the downloads: all streams of a file as one, as far as the furthest', () => {
  const { running } = runningOf([]);
  const wanted: WantedBlob | undefined = [...running][0]?.wanted;
  assert(wanted);
  const passing = [
    { wanted, received: 2, followers: 1 },
    { wanted, received: 7, followers: 3 },
    { wanted, received: 1, followers: 1 },
    // Two manifests disagree on its size, and one of them is wrong.
    { wanted: { ...wanted, size: 9 }, received: 3, followers: 1 },
  ];
  const common = { sha1: sha1Of('one'), image: null, priority: 'demand' };
  assert.deepEqual(describeDownloads({ running, passing }, labels), [
    { ...common, size: 10, received: 4, followers: 2, passedThrough: false },
    { ...common, size: 10, received: 7, followers: 5, passedThrough: true },
    { ...common, size: 9, received: 3, followers: 1, passedThrough: true },
  ]);
});
