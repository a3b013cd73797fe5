/** The catalogs of shared/data, as found in the wild, go through parsing and merging unharmed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mergeLists } from '../../../src/catalog/merge.ts';
import { createSnapshot } from '../../../src/catalog/snapshot.ts';
import { parseManifest } from '../../../src/imgapi/manifest.ts';
import { loadSharedCatalog } from '../../support/shared-data.ts';
import type { UpstreamList } from '../../../src/catalog/merge.ts';
import type { Manifest } from '../../../src/imgapi/manifest.ts';

interface Expected {
  readonly file: string;
  /** Elements that are IMGAPI or DSAPI manifests with uuid, published_at and files. */
  readonly parsed: number;
  /** What is missing from the others, and how often. */
  readonly problems: Readonly<Record<string, number>>;
}

const CATALOGS: readonly Expected[] = [
  { file: 'images-and-updates-sample-2026.json', parsed: 10, problems: {} },
  { file: 'imgadm-list-2024-01-24-smartos-ui.json', parsed: 4, problems: {} },
  { file: 'datasets-at-2014-11-01.json', parsed: 277, problems: {} },
  { file: 'datasets-joyent-com-2012-11-25.json', parsed: 99, problems: {} },
  // What CloudAPI writes: `id` instead of `uuid`.
  { file: 'jpc-cloudapi-2016-04-28.json', parsed: 0, problems: { uuid: 405 } },
  // Unactivated images, `imgadm create` output, CloudAPI, bare uuids.
  { file: 'assorted-single-manifests.json', parsed: 10, problems: { uuid: 2, published_at: 5, files: 1 } },
  { file: 'sdc-imgapi-test-fixtures.json', parsed: 17, problems: { published_at: 2, files: 1 } },
  // Not manifests at all: rows of name, version, size.
  { file: 'union-index.json', parsed: 0, problems: { published_at: 5, files: 631, type: 1 } },
];

function publishedAtsOf(manifests: readonly Manifest[]): unknown[] {
  return manifests.map(({ json }) => json['published_at']);
}

for (const { file, parsed, problems } of CATALOGS) {
  test(`takes what is a manifest in ${file}, and says what the rest lacks`, async (t) => {
    const elements = await loadSharedCatalog(t, file);
    if (elements === undefined) return;
    const manifests: Manifest[] = [];
    const found: Record<string, number> = {};
    for (const element of elements) {
      const before = JSON.stringify(element);
      const result = parseManifest(element);
      if (result.ok) {
        assert.equal(JSON.stringify(result.manifest.json), before);
        manifests.push(result.manifest);
      } else {
        const field = result.problem.split(' ', 1)[0] ?? '';
        found[field] = (found[field] ?? 0) + 1;
      }
    }
    assert.deepEqual({ parsed: manifests.length, problems: found }, { parsed, problems });

    const { entries, conflicts } = mergeLists([{ upstream: 'a', manifests }]);
    assert.deepEqual(conflicts, []);
    const listed: unknown = JSON.parse(createSnapshot(entries).fullList(2).toString());
    assert.deepEqual(
      listed,
      entries.map(({ manifest }) => manifest.json),
    );
    const activeUuids = new Set(manifests.filter(({ state }) => state === 'active').map(({ uuid }) => uuid));
    assert.deepEqual(new Set(entries.map(({ manifest }) => manifest.uuid)), activeUuids);
  });
}

test('takes all of a CloudAPI catalog once its id is called uuid, ties and all, in the order it came', async (t) => {
  const elements = await loadSharedCatalog(t, 'jpc-cloudapi-2016-04-28.json');
  if (elements === undefined) return;
  const renamed: unknown[] = JSON.parse(JSON.stringify(elements).replaceAll('{"id":', '{"uuid":'));
  const manifests = renamed.flatMap((element) => {
    const result = parseManifest(element);
    return result.ok ? [result.manifest] : [];
  });
  assert.equal(manifests.length, 405);
  const { entries } = mergeLists([{ upstream: 'a', manifests: manifests.toReversed() }]);
  assert.deepEqual(publishedAtsOf(entries.map(({ manifest }) => manifest)), publishedAtsOf(manifests));
  const origins = manifests.flatMap(({ origin }) => origin ?? []);
  const snapshot = createSnapshot(entries);
  assert.ok(origins.length === 15 && origins.every((origin) => snapshot.get(origin) !== undefined));
});

test('merges the DSAPI lists of two sites: the first owns what both have, and their files agree', async (t) => {
  const lists: UpstreamList[] = [];
  for (const upstream of ['datasets-joyent-com-2012-11-25.json', 'datasets-at-2014-11-01.json']) {
    const elements = await loadSharedCatalog(t, upstream);
    if (elements === undefined) return;
    const manifests = elements.flatMap((element) => {
      const result = parseManifest(element);
      return result.ok ? [result.manifest] : [];
    });
    lists.push({ upstream, manifests });
  }
  const { entries, conflicts } = mergeLists(lists);
  const both = entries.filter(({ upstreams }) => upstreams.length === 2);
  assert.ok(both.length > 20);
  assert.ok(both.every(({ upstream }) => upstream === lists[0]?.upstream));
  assert.deepEqual(conflicts, []);
});
