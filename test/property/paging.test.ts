/** The laws of paging: whoever walks the pages as the real clients do sees every image once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { mergeLists } from '../../src/catalog/merge.ts';
import { parseListQuery, selectImages } from '../../src/imgapi/list-query.ts';
import { publishedAtText, upstreamLists } from './arbitraries.ts';
import { manifestOf, uuidOf } from '../support/manifest-of.ts';
import type { CatalogEntry } from '../../src/catalog/merge.ts';
import type { ListPosition, QueryParams } from '../../src/imgapi/list-query.ts';

/** A server's answer; a marker's position is found whatever became of its image. */
function answer(
  entries: readonly CatalogEntry[],
  params: QueryParams,
  positions: ReadonlyMap<string, ListPosition>,
): readonly CatalogEntry[] {
  const query = parseListQuery(params);
  const position = query.marker?.kind === 'uuid' ? positions.get(query.marker.uuid) : undefined;
  assert.ok(query.marker?.kind !== 'uuid' || position !== undefined);
  return selectImages(entries, query, position);
}

function positionsOf(entries: readonly CatalogEntry[]): Map<string, ListPosition> {
  return new Map(entries.map(({ manifest }) => [manifest.uuid, manifest]));
}

function uuidsOf(entries: readonly CatalogEntry[]): string[] {
  return entries.map(({ manifest }) => manifest.uuid);
}

/** imgadm's walk, for a server that caps its pages: on from the last uuid, the first element dropped if it is the marker. */
function walk(entries: readonly CatalogEntry[], pageSize: number, params: QueryParams): string[] {
  const positions = positionsOf(entries);
  const seen: string[] = [];
  for (let last: string | undefined; ;) {
    const marker = last === undefined ? {} : { marker: last };
    const page = uuidsOf(answer(entries, { ...params, ...marker, limit: String(pageSize) }, positions));
    const newLast = page.at(-1);
    seen.push(...(page[0] === last ? page.slice(1) : page));
    if (page.length < pageSize || newLast === undefined || newLast === last) return seen;
    last = newLast;
  }
}

const pageSize = fc.integer({ min: 2, max: 12 });
const sort = fc.constantFrom('published_at', 'published_at.asc', 'published_at.desc');

test('walking the pages gives every image exactly once, for every page size from 2, ties or not', () => {
  fc.assert(
    fc.property(upstreamLists, pageSize, sort, (lists, size, order) => {
      const { entries } = mergeLists(lists);
      const inOrder = order.endsWith('desc') ? entries.toReversed() : entries;
      assert.deepEqual(walk(entries, size, { sort: order }), uuidsOf(inOrder));
    }),
  );
});

test('walking the pages of a filtered list gives what the filter gives at once', () => {
  fc.assert(
    fc.property(upstreamLists, pageSize, fc.constantFrom('~base', 'Base', '7'), (lists, size, name) => {
      const { entries } = mergeLists(lists);
      assert.deepEqual(walk(entries, size, { name }), uuidsOf(answer(entries, { name }, new Map())));
    }),
  );
});

test('everything at once and then the page of the last uuid is that one image: imgadm stops there', () => {
  fc.assert(
    fc.property(upstreamLists, (lists) => {
      const { entries } = mergeLists(lists);
      const last = entries.at(-1);
      if (last === undefined) return;
      const page = answer(entries, { marker: last.manifest.uuid, limit: '1000' }, positionsOf(entries));
      assert.deepEqual(page, [last]);
    }),
  );
});

test('a marker whose image left the list splits it in two: before it downwards, after it upwards', () => {
  fc.assert(
    fc.property(upstreamLists, fc.nat({ max: 40 }), publishedAtText, (lists, n, publishedAt) => {
      const marker = manifestOf({ uuid: uuidOf(n), published_at: publishedAt });
      const entries = mergeLists(lists).entries.filter(({ manifest }) => manifest.uuid !== marker.uuid);
      const positions = new Map([[marker.uuid, marker]]);
      const up = answer(entries, { marker: marker.uuid }, positions);
      const down = answer(entries, { marker: marker.uuid, sort: 'published_at.desc' }, positions);
      assert.deepEqual([...down.toReversed(), ...up], entries);
    }),
  );
});

test('a date marker gives the images published at that time or later', () => {
  fc.assert(
    fc.property(upstreamLists, publishedAtText, (lists, marker) => {
      const { entries } = mergeLists(lists);
      const page = answer(entries, { marker }, new Map());
      const { publishedAt } = manifestOf({ published_at: marker });
      const nanos = ({ epochMs, nanos: rest }: typeof publishedAt): bigint =>
        BigInt(epochMs) * 1_000_000n + BigInt(rest);
      const expected = entries.filter(({ manifest }) => nanos(manifest.publishedAt) >= nanos(publishedAt));
      assert.deepEqual(page, expected);
    }),
  );
});
