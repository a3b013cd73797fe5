import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mergeLists } from '../../../src/catalog/merge.ts';
import { filesOf, manifestOf, sha1Of, uuidOf } from '../../support/manifest-of.ts';
import type { BlobSource, MergeResult } from '../../../src/catalog/merge.ts';

function sourcesOf({ sources }: MergeResult, content: string): readonly BlobSource[] {
  const wanted = sha1Of(content);
  return [...sources].find(([sha1]) => sha1 === wanted)?.[1] ?? [];
}

function uuidsOf({ entries }: MergeResult): string[] {
  return entries.map(({ manifest }) => manifest.uuid);
}

test('merges nothing to nothing', () => {
  const merged = mergeLists([{ upstream: 'a', manifests: [] }]);
  assert.deepEqual(merged.entries, []);
  assert.deepEqual(merged.conflicts, []);
});

test('gives a uuid to the first upstream that lists it, manifest and all', () => {
  const first = manifestOf({ uuid: uuidOf(1), name: 'mine' });
  const second = manifestOf({ uuid: uuidOf(1), name: 'theirs', published_at: '2021-01-01T00:00:00Z' });
  const { entries, conflicts } = mergeLists([
    { upstream: 'a', manifests: [first] },
    { upstream: 'b', manifests: [second, manifestOf({ uuid: uuidOf(2) })] },
  ]);
  assert.deepEqual(entries, [
    { manifest: first, upstream: 'a', upstreams: ['a', 'b'] },
    { manifest: manifestOf({ uuid: uuidOf(2) }), upstream: 'b', upstreams: ['b'] },
  ]);
  assert.deepEqual(conflicts, [], 'different metadata is no conflict');
});

test('orders by published_at as time, ties by uuid', () => {
  const merged = mergeLists([
    {
      upstream: 'a',
      manifests: [
        manifestOf({ uuid: uuidOf(5), published_at: '2020-01-01T00:00:00.5Z' }),
        manifestOf({ uuid: uuidOf(4), published_at: '2020-01-01T00:00:00Z' }),
        manifestOf({ uuid: uuidOf(1), published_at: '2020-01-02T00:00Z' }),
      ],
    },
    { upstream: 'b', manifests: [manifestOf({ uuid: uuidOf(3), published_at: '2020-01-01T01:00:00+01:00' })] },
  ]);
  assert.deepEqual(uuidsOf(merged), [uuidOf(3), uuidOf(4), uuidOf(5), uuidOf(1)]);
});

test('lists active images only', () => {
  const merged = mergeLists([
    { upstream: 'a', manifests: [manifestOf({ uuid: uuidOf(1), state: 'disabled' }), manifestOf({ uuid: uuidOf(2) })] },
    { upstream: 'b', manifests: [manifestOf({ uuid: uuidOf(1) }), manifestOf({ uuid: uuidOf(3), state: 'creating' })] },
  ]);
  assert.deepEqual(
    merged.entries.map(({ manifest, upstream }) => [manifest.uuid, upstream]),
    [
      [uuidOf(1), 'b'],
      [uuidOf(2), 'a'],
    ],
  );
});

test('counts the first of two images with one uuid in one list', () => {
  const merged = mergeLists([
    {
      upstream: 'a',
      manifests: [
        manifestOf({ uuid: uuidOf(1), name: 'first', files: filesOf('one') }),
        manifestOf({ uuid: uuidOf(1), name: 'second', files: filesOf('two') }),
      ],
    },
  ]);
  assert.deepEqual(
    merged.entries.map(({ manifest, upstreams }) => [manifest.json['name'], upstreams]),
    [['first', ['a']]],
  );
  assert.deepEqual(merged.conflicts, []);
});

test('reports two upstreams that disagree on a SHA-1, and keeps the first', () => {
  const merged = mergeLists([
    { upstream: 'a', manifests: [manifestOf({ uuid: uuidOf(1), files: filesOf('one', 'same') })] },
    { upstream: 'b', manifests: [manifestOf({ uuid: uuidOf(1), files: filesOf('other', 'same') })] },
    { upstream: 'c', manifests: [manifestOf({ uuid: uuidOf(1), files: filesOf('one', 'third') })] },
    { upstream: 'd', manifests: [manifestOf({ uuid: uuidOf(1), files: filesOf('one', 'same') })] },
  ]);
  assert.deepEqual(
    merged.entries.map(({ upstream, upstreams }) => [upstream, upstreams]),
    [['a', ['a', 'd']]],
  );
  assert.deepEqual(
    merged.conflicts.map(({ upstream, manifest }) => [upstream, manifest.files[0]?.sha1, manifest.files[1]?.sha1]),
    [
      ['b', sha1Of('other'), sha1Of('same')],
      ['c', sha1Of('one'), sha1Of('third')],
    ],
  );
});

test('another size under the same SHA-1 is a conflict too', () => {
  const [file] = filesOf('one');
  const { entries, conflicts } = mergeLists([
    { upstream: 'a', manifests: [manifestOf({ uuid: uuidOf(1), files: [file] })] },
    { upstream: 'b', manifests: [manifestOf({ uuid: uuidOf(1), files: [{ ...file, size: 7 }] })] },
  ]);
  assert.deepEqual([entries[0]?.upstreams, conflicts.map(({ upstream }) => upstream)], [['a'], ['b']]);
});

test('files that have vanished are a conflict, and files more too; neither is a source of the whole image', () => {
  const merged = mergeLists([
    { upstream: 'a', manifests: [manifestOf({ uuid: uuidOf(1), files: filesOf('one', 'two') })] },
    { upstream: 'b', manifests: [manifestOf({ uuid: uuidOf(1), files: filesOf('one') })] },
    { upstream: 'c', manifests: [manifestOf({ uuid: uuidOf(1), files: [] })] },
    { upstream: 'd', manifests: [manifestOf({ uuid: uuidOf(1), files: filesOf('one', 'two', 'three') })] },
  ]);
  assert.deepEqual(
    merged.conflicts.map(({ upstream }) => upstream),
    ['b', 'c', 'd'],
  );
  assert.deepEqual(merged.entries[0]?.upstreams, ['a']);
  assert.deepEqual(sourcesOf(merged, 'one'), [
    { upstream: 'a', uuid: uuidOf(1), index: 0 },
    { upstream: 'b', uuid: uuidOf(1), index: 0 },
    { upstream: 'd', uuid: uuidOf(1), index: 0 },
  ]);
});

test('files where the owner of the image has none are no conflict, and no source of the image', () => {
  const { entries, conflicts } = mergeLists([
    { upstream: 'a', manifests: [manifestOf({ uuid: uuidOf(1), files: [] })] },
    { upstream: 'b', manifests: [manifestOf({ uuid: uuidOf(1), files: filesOf('one') })] },
  ]);
  assert.deepEqual([entries[0]?.upstreams, conflicts], [['a'], []]);
});

test('knows where a blob can be had from, under whatever uuid, in precedence order', () => {
  const merged = mergeLists([
    {
      upstream: 'a',
      manifests: [manifestOf({ uuid: uuidOf(9), published_at: '2022-01-01', files: filesOf('x', 'one') })],
    },
    {
      upstream: 'b',
      manifests: [
        manifestOf({ uuid: uuidOf(2), files: filesOf('one') }),
        manifestOf({ uuid: uuidOf(1), files: filesOf('one') }),
      ],
    },
    { upstream: 'c', manifests: [manifestOf({ uuid: uuidOf(9), files: filesOf('one', 'x') })] },
  ]);
  assert.deepEqual(sourcesOf(merged, 'one'), [
    { upstream: 'a', uuid: uuidOf(9), index: 1 },
    { upstream: 'b', uuid: uuidOf(1), index: 0 },
    { upstream: 'b', uuid: uuidOf(2), index: 0 },
    { upstream: 'c', uuid: uuidOf(9), index: 0 },
  ]);
  assert.equal(merged.conflicts.length, 1);
});
