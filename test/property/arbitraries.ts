/** What the property tests draw from: few uuids, times, names and contents, so that ties, duplicates and conflicts are common. */
import fc from 'fast-check';
import { filesOf, manifestOf, uuidOf } from '../support/manifest-of.ts';
import type { UpstreamList } from '../../src/catalog/merge.ts';
import type { Manifest } from '../../src/imgapi/manifest.ts';

const TIMES = [
  '2020-01-01T00:00:00Z',
  '2020-01-01T00:00:00.000Z',
  '2020-01-01T01:00:00+01:00',
  '2020-01-01T00:00Z',
  '2020-01-01T00:00:00.000000001Z',
  '2020-01-01T00:00:00.5Z',
  '2020-01-02T00:00:00',
  '2019-12-31T23:59:59.999999999Z',
];

export const publishedAtText = fc.constantFrom(...TIMES);

export const manifest: fc.Arbitrary<Manifest> = fc
  .record(
    {
      uuid: fc.nat({ max: 30 }).map(uuidOf),
      published_at: publishedAtText,
      name: fc.constantFrom('base', 'base-64', 'Base', 7),
      version: fc.constantFrom('1.0.0', 2, 'master/1.0'),
      type: fc.constantFrom('zvol', 'zone-dataset'),
      os: fc.constantFrom('smartos', 'linux'),
      owner: fc.constantFrom('alice', 'bob'),
      public: fc.constantFrom(true, false, 'true'),
      state: fc.constantFrom('active', 'active', 'active', 'disabled'),
      files: fc.array(fc.constantFrom('one', 'two', 'three'), { maxLength: 2 }).map((contents) => filesOf(...contents)),
      tags: fc.record(
        { role: fc.constantFrom('os', 'db'), smartdc: fc.boolean(), cores: fc.nat({ max: 2 }) },
        { requiredKeys: [] },
      ),
      acl: fc.subarray(['alice', 'bob', 'carol']),
      billing_tags: fc.subarray(['gold', 'eu']),
      channels: fc.subarray(['dev', 'release']),
    },
    { requiredKeys: ['uuid', 'published_at', 'files', 'state', 'name'] },
  )
  .map(manifestOf);

/** The lists of up to four upstreams, in precedence order. */
export const upstreamLists: fc.Arbitrary<readonly UpstreamList[]> = fc
  .array(fc.array(manifest, { maxLength: 25 }), { maxLength: 4 })
  .map((lists) => lists.map((manifests, index) => ({ upstream: `up${index}`, manifests })));
