/** The filters of `GET /images` against a model that says each rule in the plainest way. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { mergeLists } from '../../src/catalog/merge.ts';
import { isPlain, parseListQuery, selectImages } from '../../src/imgapi/list-query.ts';
import { upstreamLists } from './arbitraries.ts';
import type { CatalogEntry } from '../../src/catalog/merge.ts';

type Params = Readonly<Record<string, string>>;

const PARAMS: fc.Arbitrary<Params> = fc.record(
  {
    name: fc.constantFrom('base', '~base', '~', '7', '~7', ''),
    version: fc.constantFrom('1.0.0', '~.', '2', '~2'),
    os: fc.constantFrom('linux', 'smartos'),
    owner: fc.constantFrom('alice', 'bob', 'nobody'),
    type: fc.constantFrom('zvol', '!zvol', '!'),
    public: fc.constantFrom('true', 'false'),
    'tag.role': fc.constantFrom('os', 'db'),
    'tag.smartdc': fc.constantFrom('true', 'false'),
    'tag.cores': fc.constantFrom('0', '1'),
    billing_tag: fc.constantFrom('gold', 'eu'),
    account: fc.constantFrom('alice', 'carol', ''),
    state: fc.constantFrom('active', 'all', ''),
    sort: fc.constantFrom('published_at.desc', 'published_at'),
    limit: fc.constantFrom('0', '', '1', '3', '-2', '1000'),
    unknown: fc.string(),
  },
  { requiredKeys: [] },
);

/** The model: one rule per line, on the JSON as it stands. */
function matches({ manifest: { json } }: CatalogEntry, params: Params): boolean {
  const string = (field: string): string => String(json[field]);
  const array = (field: string): string => JSON.stringify(json[field] ?? []);
  const pattern = (field: string, wanted: string): boolean =>
    wanted.startsWith('~')
      ? json[field] !== undefined && string(field).includes(wanted.slice(1))
      : string(field) === wanted;
  const rules: Readonly<Record<string, (wanted: string) => boolean>> = {
    name: (wanted) => pattern('name', wanted),
    version: (wanted) => pattern('version', wanted),
    os: (wanted) => string('os') === wanted,
    owner: (wanted) => string('owner') === wanted,
    type: (wanted) => (wanted.startsWith('!') ? string('type') !== wanted.slice(1) : string('type') === wanted),
    public: (wanted) => String(string('public') === 'true') === wanted,
    'tag.role': (wanted) => JSON.stringify(json['tags'] ?? {}).includes(`"role":"${wanted}"`),
    'tag.smartdc': (wanted) => JSON.stringify(json['tags'] ?? {}).includes(`"smartdc":${wanted}`),
    'tag.cores': (wanted) => JSON.stringify(json['tags'] ?? {}).includes(`"cores":${wanted}`),
    billing_tag: (wanted) => array('billing_tags').includes(`"${wanted}"`),
    account: (wanted) =>
      wanted === '' ||
      string('owner') === wanted ||
      string('public') === 'true' ||
      array('acl').includes(`"${wanted}"`),
  };
  return Object.entries(params).every(([key, wanted]) => rules[key]?.(wanted) ?? true);
}

function model(entries: readonly CatalogEntry[], params: Params): readonly CatalogEntry[] {
  const matching = entries.filter((entry) => matches(entry, params));
  const sorted = params['sort'] === 'published_at.desc' ? matching.toReversed() : matching;
  const limit = Number(params['limit'] ?? 0);
  if (limit < 0) return [];
  return limit === 0 ? sorted : sorted.slice(0, limit);
}

test('a query selects what the model selects, in its order', () => {
  fc.assert(
    fc.property(upstreamLists, PARAMS, (lists, params) => {
      const { entries } = mergeLists(lists);
      assert.deepEqual(selectImages(entries, parseListQuery(params), undefined), model(entries, params));
    }),
    { numRuns: 500 },
  );
});

test('a plain query selects the list as it is', () => {
  fc.assert(
    fc.property(upstreamLists, PARAMS, (lists, params) => {
      const { entries } = mergeLists(lists);
      const query = parseListQuery(params);
      if (isPlain(query)) assert.deepEqual(selectImages(entries, query, undefined), entries);
    }),
  );
});
