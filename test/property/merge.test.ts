/** The laws of merging. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { mergeLists } from '../../src/catalog/merge.ts';
import { createSnapshot } from '../../src/catalog/snapshot.ts';
import { comparePositions } from '../../src/imgapi/list-query.ts';
import { upstreamLists } from './arbitraries.ts';
import type { UpstreamList } from '../../src/catalog/merge.ts';
import type { Manifest } from '../../src/imgapi/manifest.ts';

/** What one list contributes: active images, of each uuid the first. */
function contribution({ manifests }: UpstreamList): Map<string, Manifest> {
  const active = manifests.filter(({ state }) => state === 'active');
  return new Map(active.toReversed().map((manifest) => [manifest.uuid, manifest]));
}

test('the order is total: strictly ascending by (published_at, uuid)', () => {
  fc.assert(
    fc.property(upstreamLists, (lists) => {
      const manifests = mergeLists(lists).entries.map(({ manifest }) => manifest);
      for (const [index, next] of manifests.slice(1).entries()) {
        const before = manifests[index];
        assert.ok(before !== undefined && comparePositions(before, next) < 0);
        assert.ok(comparePositions(next, before) > 0);
      }
    }),
  );
});

test('exactly the active uuids of all lists are in it, each owned by the first list that has it', () => {
  fc.assert(
    fc.property(upstreamLists, (lists) => {
      const contributions = lists.map(contribution);
      const { entries } = mergeLists(lists);
      const expected = new Set(contributions.flatMap((images) => [...images.keys()]));
      assert.deepEqual(new Set(entries.map(({ manifest }) => manifest.uuid)), expected);
      for (const { manifest, upstream } of entries) {
        const owner = contributions.findIndex((images) => images.has(manifest.uuid));
        assert.equal(upstream, lists[owner]?.upstream);
        assert.equal(manifest, contributions[owner]?.get(manifest.uuid));
      }
    }),
  );
});

test('every other list with the uuid either agrees on the files, contradicts them, or lists some where the owner has none', () => {
  fc.assert(
    fc.property(upstreamLists, (lists) => {
      const { entries, conflicts } = mergeLists(lists);
      for (const { manifest, upstream, upstreams } of entries) {
        assert.equal(upstreams[0], upstream);
        for (const list of lists) {
          const other = contribution(list).get(manifest.uuid);
          const isSource = upstreams.includes(list.upstream);
          const conflict = conflicts.find(
            (said) => said.manifest.uuid === manifest.uuid && said.upstream === list.upstream,
          );
          const sha1s = manifest.files.map(({ sha1 }) => sha1);
          const otherSha1s = other?.files.map(({ sha1 }) => sha1);
          assert.equal(isSource, JSON.stringify(sha1s) === JSON.stringify(otherSha1s));
          assert.equal(
            conflict !== undefined,
            otherSha1s !== undefined && sha1s.length > 0 && JSON.stringify(sha1s) !== JSON.stringify(otherSha1s),
          );
        }
      }
    }),
  );
});

test('the order within a list does not matter, but for which of two duplicates comes first', () => {
  const listsAndShuffled = upstreamLists.chain((lists) => {
    const unique = lists.map((list) => ({ ...list, manifests: [...contribution(list).values()] }));
    const shuffled = unique.map(({ upstream, manifests }) =>
      fc
        .shuffledSubarray(manifests, { minLength: manifests.length })
        .map((inOtherOrder) => ({ upstream, manifests: inOtherOrder })),
    );
    return fc.tuple(fc.constant(unique), fc.tuple(...shuffled));
  });
  fc.assert(
    fc.property(listsAndShuffled, ([lists, shuffled]) => {
      assert.deepEqual(mergeLists(shuffled), mergeLists(lists));
    }),
  );
});

test('merging a merged list again changes nothing, and neither does a lower upstream with the same images', () => {
  fc.assert(
    fc.property(upstreamLists, (lists) => {
      const manifests = mergeLists(lists).entries.map(({ manifest }) => manifest);
      const again = mergeLists([
        { upstream: 'a', manifests },
        { upstream: 'b', manifests },
      ]);
      assert.deepEqual(
        again.entries.map(({ manifest }) => manifest),
        manifests,
      );
      assert.ok(again.entries.every(({ upstream, upstreams }) => upstream === 'a' && upstreams.join() === 'a,b'));
      assert.deepEqual(again.conflicts, []);
    }),
  );
});

test('an upstream more takes no image away and changes none that was there', () => {
  fc.assert(
    fc.property(upstreamLists, (lists) => {
      const fewer = mergeLists(lists.slice(0, -1)).entries;
      const all = createSnapshot(mergeLists(lists).entries);
      for (const { manifest, upstream, upstreams } of fewer) {
        const entry = all.get(manifest.uuid);
        assert.equal(entry?.manifest, manifest);
        assert.equal(entry.upstream, upstream);
        assert.deepEqual(entry.upstreams.slice(0, upstreams.length), upstreams);
      }
    }),
  );
});

test('the sources of a blob are the files with its SHA-1, upstreams in precedence order', () => {
  fc.assert(
    fc.property(upstreamLists, (lists) => {
      const { sources } = mergeLists(lists);
      const files = lists.flatMap((list) =>
        [...contribution(list).values()].flatMap(({ uuid, files: listed }) =>
          listed.map(({ sha1 }, index) => JSON.stringify([sha1, list.upstream, uuid, index])),
        ),
      );
      const named = [...sources].flatMap(([sha1, places]) => {
        const order = places.map(({ upstream }) => lists.findIndex((list) => list.upstream === upstream));
        assert.deepEqual(
          order,
          order.toSorted((a, b) => a - b),
        );
        return places.map(({ upstream, uuid, index }) => JSON.stringify([sha1, upstream, uuid, index]));
      });
      assert.deepEqual(named.toSorted(), files.toSorted());
    }),
  );
});

test('a snapshot writes any of its lists as JSON.stringify does', () => {
  fc.assert(
    fc.property(upstreamLists, fc.func(fc.boolean()), (lists, isListed) => {
      const snapshot = createSnapshot(mergeLists(lists).entries);
      const some = snapshot.entries.filter(({ manifest }) => isListed(manifest.uuid));
      const expected = some.map(({ manifest }) => manifest.json);
      assert.equal(snapshot.listText(some, 2).toString(), JSON.stringify(expected, null, 2));
      const withoutChannels = JSON.stringify(
        expected,
        (key, value: unknown) => (key === 'channels' ? undefined : value),
        2,
      );
      assert.equal(snapshot.listText(some, 1).toString(), withoutChannels);
    }),
  );
});
