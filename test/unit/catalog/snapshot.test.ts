import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mergeLists } from '../../../src/catalog/merge.ts';
import { createEntry, createSnapshot } from '../../../src/catalog/snapshot.ts';
import { isImageUuid, isSha1Hex } from '../../../src/imgapi/ids.ts';
import { manifestEtag, manifestText } from '../../../src/imgapi/manifest.ts';
import { filesOf, manifestOf, sha1Of, uuidOf } from '../../support/manifest-of.ts';
import type { CatalogEntry } from '../../../src/catalog/merge.ts';
import type { ImageUuid, Sha1Hex } from '../../../src/imgapi/ids.ts';

const PLAIN = [
  manifestOf({
    uuid: uuidOf(1),
    description: 'Größe: 10 µm\nsecond line, "quoted" \\ \u2028 \ud800',
    tags: {},
    users: [],
  }),
  manifestOf({ uuid: uuidOf(2), requirements: { networks: [{ name: 'net0' }], min_platform: { '7.0': 'x' } } }),
  manifestOf({ uuid: uuidOf(3), files: [] }),
];
const FILED = [...PLAIN, manifestOf({ uuid: uuidOf(4), channels: ['dev'] })];

function entriesOf(manifests: typeof PLAIN): readonly CatalogEntry[] {
  return mergeLists([{ upstream: 'a', manifests }]).entries;
}

function jsonOf(entries: readonly CatalogEntry[]): string {
  return JSON.stringify(
    entries.map(({ manifest }) => manifest.json),
    null,
    2,
  );
}

function uuid(text: string): ImageUuid {
  assert.ok(isImageUuid(text));
  return text;
}

function sha1(content: string): Sha1Hex {
  const text = sha1Of(content);
  assert.ok(isSha1Hex(text));
  return text;
}

test('writes the full list as JSON.stringify would', () => {
  const entries = entriesOf(FILED);
  assert.equal(createSnapshot(entries).fullList(2).toString(), jsonOf(entries));
});

test('writes a list without images as []', () => {
  const snapshot = createSnapshot([]);
  assert.equal(snapshot.fullList(2).toString(), '[]');
  assert.equal(snapshot.size, 0);
  assert.equal(createSnapshot(entriesOf(PLAIN)).listText([], 1).toString(), '[]');
});

test('writes some of its images, in any order', () => {
  const entries = entriesOf(FILED);
  const snapshot = createSnapshot(entries);
  const some = entries.filter((_, index) => index !== 1).toReversed();
  assert.equal(snapshot.listText(some, 2).toString(), jsonOf(some));
});

test('writes v1 lists without channels', () => {
  const list: unknown = JSON.parse(createSnapshot(entriesOf(FILED)).fullList(1).toString());
  const { channels: _, ...v1 } = { ...FILED[3]?.json };
  assert.deepEqual(list, [...PLAIN.map(({ json }) => json), v1]);
});

test('gives the same bytes every time, and to both versions where no image has channels', () => {
  const snapshot = createSnapshot(entriesOf(PLAIN));
  assert.equal(snapshot.fullList(2), snapshot.fullList(2));
  assert.equal(snapshot.fullList(1), snapshot.fullList(2));
  assert.equal(snapshot.listText(snapshot.entries, 2), snapshot.fullList(2));
  const filed = createSnapshot(entriesOf(FILED));
  assert.notEqual(filed.fullList(1), filed.fullList(2));
});

test('finds an image by its uuid', () => {
  const snapshot = createSnapshot(entriesOf(PLAIN));
  assert.equal(snapshot.get(uuid(uuidOf(2)))?.manifest, PLAIN[1]);
  assert.equal(snapshot.get(uuid(uuidOf(7))), undefined);
  assert.equal(snapshot.size, 3);
});

test('makes the body and Etag of one manifest once per version', () => {
  const snapshot = createSnapshot(entriesOf(FILED));
  const entry = snapshot.get(uuid(uuidOf(4)));
  assert.ok(entry !== undefined);
  for (const version of [1, 2] as const) {
    const { body, etag } = snapshot.manifestBody(entry, version);
    assert.equal(body.toString(), manifestText(entry.manifest, version));
    assert.equal(etag, manifestEtag(entry.manifest, version));
    assert.equal(snapshot.manifestBody(entry, version).body, body);
  }
  assert.notEqual(snapshot.manifestBody(entry, 1).etag, snapshot.manifestBody(entry, 2).etag);
});

test('serves images that are in no list: channels and all, though none of its own has any', () => {
  const snapshot = createSnapshot(entriesOf(PLAIN));
  const foreign = createEntry(manifestOf({ uuid: uuidOf(9), channels: ['dev'] }), 'b');
  assert.deepEqual(foreign.upstreams, ['b']);
  assert.match(snapshot.manifestBody(foreign, 2).body.toString(), /channels/);
  assert.doesNotMatch(snapshot.manifestBody(foreign, 1).body.toString(), /channels/);
  assert.equal(snapshot.listText([foreign], 2).toString(), jsonOf([foreign]));
});

test('names the sources of a blob as the merge found them, or as its entries do', () => {
  const merged = mergeLists([
    { upstream: 'a', manifests: [manifestOf({ uuid: uuidOf(1), files: filesOf('one') })] },
    {
      upstream: 'b',
      manifests: [
        manifestOf({ uuid: uuidOf(1), files: filesOf('one') }),
        manifestOf({ uuid: uuidOf(2), files: filesOf('zero', 'one') }),
      ],
    },
  ]);
  const expected = [
    { upstream: 'a', uuid: uuidOf(1), index: 0 },
    { upstream: 'b', uuid: uuidOf(1), index: 0 },
    { upstream: 'b', uuid: uuidOf(2), index: 1 },
  ];
  assert.deepEqual(createSnapshot(merged.entries, merged.sources).sourcesOf(sha1('one')), expected);
  assert.deepEqual(createSnapshot(merged.entries).sourcesOf(sha1('one')), expected);
  assert.deepEqual(createSnapshot(merged.entries).sourcesOf(sha1('nowhere')), []);
});

test('merges and writes 5,000 images', (t) => {
  const manifests = Array.from({ length: 5000 }, (_, index) =>
    manifestOf({
      uuid: uuidOf(index * 7919),
      files: filesOf(String(index)),
      channels: index % 2 === 0 ? ['dev'] : ['release'],
    }),
  );
  const startedMs = performance.now();
  const { entries, sources } = mergeLists([
    { upstream: 'a', manifests },
    { upstream: 'b', manifests: manifests.toReversed() },
  ]);
  const snapshot = createSnapshot(entries, sources);
  const bytes = snapshot.fullList(1).length + snapshot.fullList(2).length;
  // Only told, never asserted: a timing must not fail a test.
  t.diagnostic(`${snapshot.size} images, ${bytes} bytes in ${(performance.now() - startedMs).toFixed(0)} ms`);
  assert.equal(snapshot.size, 5000);
  assert.ok(entries.every(({ upstreams }) => upstreams.length === 2));
});
