import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MirrorError } from '../../../src/imgapi/errors.ts';
import { isPlain, parseListQuery, selectImages } from '../../../src/imgapi/list-query.ts';
import { manifestOf, uuidOf } from '../../support/manifest-of.ts';
import type { QueryParams } from '../../../src/imgapi/list-query.ts';
import type { Manifest } from '../../../src/imgapi/manifest.ts';

const ALICE = 'aaaaaaaa-0000-4000-8000-000000000000';
const BOB = 'bbbbbbbb-0000-4000-8000-000000000000';

/** Five images, in the order of lists; 2 and 3 tie. */
const IMAGES = [
  { published_at: '2020-01-01T00:00:00Z', name: 'base', version: '1.0.0', tags: { role: 'os' } },
  { published_at: '2020-01-02T00:00:00Z', name: 'base-64', version: 2, type: 'zvol', os: 'linux' },
  { published_at: '2020-01-02T00:00:00Z', name: 'Base', tags: { role: 'os', smartdc: true, cores: 4 } },
  { published_at: '2020-01-03T00:00:00Z', name: 'private', owner: ALICE, public: false, acl: [BOB] },
  {
    published_at: '2020-01-04T00:00:00Z',
    name: 'billed',
    owner: BOB,
    billing_tags: ['gold', 'eu'],
    type: 'lx-dataset',
  },
].map((fields, index) => ({ manifest: manifestOf({ uuid: uuidOf(index + 1), ...fields }) }));

/** The numbers (from 1) of the images a query selects. */
function select(params: QueryParams): number[] {
  const query = parseListQuery(params);
  const marked = query.marker?.kind === 'uuid' ? query.marker.uuid : undefined;
  const position = IMAGES.find(({ manifest }) => manifest.uuid === marked)?.manifest;
  return selectImages(IMAGES, query, position).map(numberOf);
}

function numberOf({ manifest }: { readonly manifest: Manifest }): number {
  return IMAGES.findIndex((image) => image.manifest === manifest) + 1;
}

const ALL = [1, 2, 3, 4, 5];

const SELECTED: readonly (readonly [params: QueryParams, numbers: readonly number[]])[] = [
  [{}, ALL],
  [{ state: 'active' }, ALL],
  [{ state: 'all' }, ALL],
  [{ state: '' }, ALL],
  [{ state: 'disabled' }, []],
  [{ state: 'unactivated' }, []],
  [{ state: 'creating' }, []],
  [{ state: 'failed' }, []],
  [{ state: 'disabled', sort: 'published_at' }, []],
  [{ name: 'base' }, [1]],
  [{ name: '~base' }, [1, 2]],
  [{ name: '~ase' }, [1, 2, 3]],
  [{ name: '~' }, ALL],
  [{ name: '' }, []],
  [{ name: ['base', 'base'] }, []],
  [{ version: '2' }, [2]],
  [{ version: '~1.0' }, [1, 3, 4, 5]],
  [{ os: 'linux' }, [2]],
  [{ os: '~lin' }, []],
  [{ owner: ALICE }, [4]],
  [{ type: 'zvol' }, [2]],
  [{ type: '!zvol' }, [1, 3, 4, 5]],
  [{ type: ['zvol', 'zvol'] }, []],
  [{ public: 'true' }, [1, 2, 3, 5]],
  [{ public: 'false' }, [4]],
  [{ 'tag.role': 'os' }, [1, 3]],
  [{ 'tag.role': 'os', 'tag.smartdc': 'true' }, [3]],
  [{ 'tag.smartdc': 'false' }, []],
  [{ 'tag.cores': '4' }, [3]],
  [{ 'tag.role': 'OS' }, []],
  [{ 'tag.toString': '' }, []],
  [{ billing_tag: 'gold' }, [5]],
  [{ billing_tag: ['gold', 'eu'] }, [5]],
  [{ billing_tag: ['gold', 'us'] }, []],
  [{ billing_tag: '' }, []],
  [{ account: ALICE }, ALL],
  [{ account: BOB }, ALL],
  [{ account: 'cccccccc-0000-4000-8000-000000000000' }, [1, 2, 3, 5]],
  [{ account: '' }, ALL],
  [{ account: [ALICE, BOB] }, [1, 2, 3, 5]],
  [{ account: BOB, public: 'false' }, [4]],
  [{ account: BOB, owner: ALICE }, [4]],
  [{ limit: '2' }, [1, 2]],
  [{ limit: '0' }, ALL],
  [{ limit: '' }, ALL],
  [{ limit: '-1' }, []],
  [{ limit: '2.9' }, [1, 2]],
  [{ limit: '5000' }, ALL],
  [{ sort: 'published_at' }, ALL],
  [{ sort: 'published_at.asc' }, ALL],
  [{ sort: 'published_at.ASC' }, ALL],
  [{ sort: '' }, ALL],
  [{ sort: 'published_at.desc' }, [5, 4, 3, 2, 1]],
  [{ sort: 'published_at.desc', limit: '2' }, [5, 4]],
  [{ marker: uuidOf(3) }, [3, 4, 5]],
  [{ marker: uuidOf(2), limit: '2' }, [2, 3]],
  [{ marker: uuidOf(2), sort: 'published_at.desc' }, [2, 1]],
  [{ marker: uuidOf(4), name: '~base' }, []],
  [{ marker: '' }, ALL],
  [{ marker: '2020-01-02T00:00:00.000Z' }, [2, 3, 4, 5]],
  [{ marker: '2020-01-02T00:00:00.001Z' }, [4, 5]],
  [{ marker: '2020-01-02' }, [2, 3, 4, 5]],
  [{ marker: '2020-01-02', sort: 'published_at.desc' }, [3, 2, 1]],
  [{ marker: '2020-01-02', limit: '1' }, [2]],
  [{ channel: 'dev', whatever: ['1', '2'], index: '9' }, ALL],
  [{ inclAdminFields: 'false' }, ALL],
];

for (const [params, numbers] of SELECTED) {
  test(`${JSON.stringify(params)} selects [${numbers.join(', ')}]`, () => {
    assert.deepEqual(select(params), numbers);
  });
}

const REFUSED: readonly (readonly [params: QueryParams, code: string, message: string, field: string | undefined])[] = [
  [{ limit: 'abc' }, 'InvalidParameter', 'invalid limit: "abc"', 'limit'],
  [{ limit: ['5', '5'] }, 'InvalidParameter', 'invalid limit: "5,5"', 'limit'],
  [{ state: 'bogus' }, 'InvalidParameter', 'invalid state: "bogus"', 'state'],
  [{ state: ['active', 'active'] }, 'InvalidParameter', 'invalid state: "active,active"', 'state'],
  [{ public: 'bogus' }, 'InvalidParameter', 'invalid value for "public" param: "bogus" is not a boolean', 'public'],
  [
    { public: ['true', 'true'] },
    'InvalidParameter',
    'invalid value for "public" param: ["true","true"] is not a boolean',
    'public',
  ],
  [{ public: '' }, 'InvalidParameter', 'invalid value for "public" param: "" is not a boolean', 'public'],
  [{ sort: 'name' }, 'InvalidParameter', "invalid 'sort': not a valid sorting attribute: 'name'", 'sort'],
  [{ sort: 'name.desc' }, 'InvalidParameter', "invalid 'sort': not a valid sorting attribute: 'name'", 'sort'],
  [
    { sort: ['published_at', 'published_at'] },
    'InvalidParameter',
    "invalid 'sort': not a valid sorting attribute: 'published_at,published_at'",
    'sort',
  ],
  [{ sort: 'published_at.up' }, 'InvalidParameter', "invalid 'sort': not a valid sorting order: 'up'", 'sort'],
  [
    { marker: 'junk' },
    'InvalidParameter',
    'invalid value for "marker" param: "junk" is not a UUID or date string',
    'marker',
  ],
  [
    { marker: [uuidOf(1), uuidOf(1)] },
    'InvalidParameter',
    `invalid value for "marker" param: ["${uuidOf(1)}","${uuidOf(1)}"] is not a UUID or date string`,
    'marker',
  ],
  [
    { inclAdminFields: 'true' },
    'UnauthorizedError',
    'Unauthorized (auth required to use "inclAdminFields" parameter)',
    undefined,
  ],
  [
    { inclAdminFields: 'maybe' },
    'InvalidParameter',
    'invalid value for "inclAdminFields" param: "maybe" is not a boolean',
    'inclAdminFields',
  ],
];

for (const [params, code, message, field] of REFUSED) {
  test(`${JSON.stringify(params)} is ${code}`, () => {
    assert.throws(
      () => parseListQuery(params),
      (error) => {
        assert.ok(error instanceof MirrorError);
        assert.equal(error.code, code);
        assert.equal(error.message, message);
        assert.deepEqual(error.errors, field === undefined ? undefined : [{ field, code: 'Invalid' }]);
        return true;
      },
    );
  });
}

test('starts at the place of a marker whose image is in no list', () => {
  const gone = manifestOf({ uuid: uuidOf(2), published_at: '2020-01-02T12:00:00Z', state: 'disabled' });
  const query = parseListQuery({ marker: gone.uuid });
  assert.deepEqual(selectImages(IMAGES, query, gone).map(numberOf), [4, 5]);
  const down = parseListQuery({ marker: gone.uuid, sort: 'published_at.desc' });
  assert.deepEqual(selectImages(IMAGES, down, gone).map(numberOf), [3, 2, 1]);
});

test('cannot be made to fail by what a manifest holds', () => {
  const odd = [
    { name: undefined, version: undefined, type: undefined, os: { toString: 1 }, owner: { valueOf: null } },
    { public: 'yes', tags: null, acl: 7, billing_tags: { 0: 'gold' } },
    { tags: ['role=os'], acl: BOB, public: false, owner: undefined },
    { tags: { role: { deep: true }, long: 'x'.repeat(101), fits: 'x'.repeat(100) } },
  ].map((fields, index) => ({ manifest: manifestOf({ uuid: uuidOf(index), ...fields }) }));
  const query = parseListQuery({
    name: '~b',
    version: '1',
    os: 'x',
    owner: 'y',
    type: '!z',
    public: 'true',
    'tag.role': 'os',
    billing_tag: 'gold',
    account: BOB,
  });
  assert.deepEqual(selectImages(odd, query, undefined), []);
  const numbers = (params: QueryParams): number[] =>
    selectImages(odd, parseListQuery(params), undefined).map((image) => odd.indexOf(image));
  assert.deepEqual(numbers({ type: '!zvol' }), [0, 1, 2, 3]);
  assert.deepEqual(numbers({ 'tag.role': '' }), [3], 'an object counts as the empty value');
  assert.deepEqual(numbers({ 'tag.long': '' }), [3], 'so does a value of over 100 characters');
  assert.deepEqual(numbers({ 'tag.fits': 'x'.repeat(100) }), [3]);
  assert.deepEqual(numbers({ account: BOB, public: 'false' }), [2], 'an acl may be one bare account');
});

test('calls a query plain only if the whole list in its own order answers it', () => {
  for (const params of [
    {},
    { state: 'all' },
    { limit: '0' },
    { sort: 'published_at.asc' },
    { channel: 'x' },
    { account: '' },
  ]) {
    assert.equal(isPlain(parseListQuery(params)), true, JSON.stringify(params));
  }
  const others: QueryParams[] = [
    { state: 'failed' },
    { limit: '9999' },
    { sort: 'published_at.desc' },
    { marker: uuidOf(1) },
    { name: '~' },
    { name: ['a', 'b'] },
    { public: 'false' },
    { type: '' },
    { 'tag.a': 'b' },
    { billing_tag: 'x' },
    { account: ALICE },
  ];
  for (const params of others) assert.equal(isPlain(parseListQuery(params)), false, JSON.stringify(params));
});
