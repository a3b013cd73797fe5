import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startImageServer } from '../support/image-server.ts';
import { makeCatalog, makeImage, type MakeImageOptions } from '../support/images.ts';
import { startMirror } from '../support/mirror.ts';
import { assertError, createAsk, namesOf, uuidsOf } from './ask.ts';

const OWNER = '352971aa-31ba-496c-9ade-a379feaecd52';
const ACCOUNT = '930896af-bf8c-48d4-885c-6573a94b1853';

/** In the order of lists; each differs from the others in what some filter looks at. */
const SHELF: readonly MakeImageOptions[] = [
  { name: 'base-64', version: '15.4.1', tags: { role: 'os', kernel: 3, ok: true }, owner: OWNER },
  { name: 'Base-64', version: '15.4.2', tags: { role: 'os' }, extra: { billing_tags: ['x', 'y'] } },
  { name: 'base-multiarch', version: '15.4.1', extra: { billing_tags: ['x'] } },
  { name: 'ubuntu', version: 'master/16.1.0', type: 'lx-dataset', os: 'linux', tags: { role: 'a=b & c+d' } },
  { name: 'debian', version: 8, type: 'zvol', os: 'linux' },
  { name: 'shared', public: false, type: 'zvol', extra: { acl: [ACCOUNT] } },
  { name: 'own', public: false, owner: ACCOUNT, type: 'other', os: 'other' },
  { name: 'secret', public: false, owner: OWNER, extra: { description: 'Größe: 10 µm — ≈ 日本語' } },
];
const NAMES = SHELF.map(({ name }) => String(name));

const FILTERS: readonly (readonly [query: string, names: readonly string[]])[] = [
  ['', NAMES],
  ['name=base-64', ['base-64']],
  ['name=~base', ['base-64', 'base-multiarch']],
  ['name=~64', ['base-64', 'Base-64']],
  ['name=~%62ase-6', ['base-64']],
  ['name=none', []],
  ['name=base', []],
  ['version=15.4.1', ['base-64', 'base-multiarch']],
  ['version=~15.4', ['base-64', 'Base-64', 'base-multiarch']],
  ['version=master%2F16.1.0', ['ubuntu']],
  ['version=8', ['debian']],
  ['os=linux', ['ubuntu', 'debian']],
  ['os=~lin', []],
  ['os=linux&type=zvol', ['debian']],
  [`owner=${OWNER}`, ['base-64', 'secret']],
  [`owner=${OWNER}&public=true`, ['base-64']],
  ['type=zvol', ['debian', 'shared']],
  ['type=!zvol', NAMES.filter((name) => name !== 'debian' && name !== 'shared')],
  ['type=!lx-dataset&os=linux', ['debian']],
  ['public=true', NAMES.slice(0, 5)],
  ['public=false', ['shared', 'own', 'secret']],
  ['state=active', NAMES],
  ['state=all', NAMES],
  ['state=disabled', []],
  ['state=unactivated', []],
  ['state=creating', []],
  ['state=failed', []],
  ['tag.role=os', ['base-64', 'Base-64']],
  ['tag.role=os&tag.kernel=3', ['base-64']],
  ['tag.ok=true', ['base-64']],
  ['tag.role=a%3Db%20%26%20c%2Bd', ['ubuntu']],
  ['tag.role=none', []],
  ['billing_tag=x', ['Base-64', 'base-multiarch']],
  ['billing_tag=x&billing_tag=y', ['Base-64']],
  [`account=${ACCOUNT}`, NAMES.slice(0, 7)],
  [`account=${ACCOUNT}&public=false`, ['shared', 'own']],
  ['account=00000000-1111-4222-8333-444444444444', NAMES.slice(0, 5)],
  ['inclAdminFields=false', NAMES],
  ['sort=published_at', NAMES],
  ['sort=published_at.asc', NAMES],
  ['sort=published_at.desc', NAMES.toReversed()],
  ['sort=published_at.desc&os=linux', ['debian', 'ubuntu']],
  ['foo=bar&nic=1&__proto__=x&constructor=y&index=9', NAMES],
  ['channel=whatever', NAMES],
  ['channel=', NAMES],
  ['limit=0', NAMES],
  ['limit=', NAMES],
  ['limit=3', NAMES.slice(0, 3)],
  ['limit=1000', NAMES],
  ['limit=-1', []],
  ['limit=1&os=linux', ['ubuntu']],
  ['limit=2&sort=published_at.desc', ['secret', 'own']],
];

const REFUSED: readonly (readonly [query: string, status: number, code: string, message: string | RegExp])[] = [
  ['limit=abc', 422, 'InvalidParameter', 'invalid limit: "abc"'],
  ['limit=5x', 422, 'InvalidParameter', 'invalid limit: "5x"'],
  ['limit=1&limit=2', 422, 'InvalidParameter', /^invalid limit: "1,2"/],
  ['sort=name', 422, 'InvalidParameter', /sort/],
  ['sort=published_at.sideways', 422, 'InvalidParameter', /sort/],
  ['state=bogus', 422, 'InvalidParameter', 'invalid state: "bogus"'],
  ['public=bogus', 422, 'InvalidParameter', /public/],
  ['public=true&public=false', 422, 'InvalidParameter', /public/],
  ['marker=yesterday', 422, 'InvalidParameter', /marker/],
  ['inclAdminFields=true', 401, 'UnauthorizedError', /Unauthorized/],
];

function shelf(): ReturnType<typeof makeImage>[] {
  return SHELF.map((options, at) => makeImage({ size: 900, publishedAt: `2020-01-0${at + 1}T00:00:00Z`, ...options }));
}

test('every filter, sort and limit selects as the real server does, and nothing of it goes upstream', async (t) => {
  const disabled = makeImage({ name: 'gone', state: 'disabled' }).manifest;
  const unactivated = makeImage({ name: 'later', state: 'unactivated' }).manifest;
  await using upstream = await startImageServer({
    images: shelf(),
    behaviour: { extraEntries: [disabled, unactivated] },
  });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const ask = createAsk(mirror);

  await t.test('what is selected', async () => {
    for (const [query, names] of FILTERS) {
      const answer = await ask(`/images?${query}`);
      assert.equal(answer.status, 200, `${query}: ${answer.text}`);
      assert.deepEqual(namesOf(answer), names, query);
    }
  });

  await t.test('what is refused', async () => {
    for (const [query, status, code, message] of REFUSED) {
      assertError(await ask(`/images?${query}`), { status, code, message });
    }
  });

  await t.test('the mirror lives on after the queries that crash the real server', async () => {
    for (const query of ['public=bogus', 'billing_tag=', 'tag.=', 'marker=%00', 'name=%FF%FE', '&&&=&==', '%%%']) {
      const answer = await ask(`/images?${query}`);
      assert.ok(answer.status === 200 || answer.status === 422, `${query}: ${answer.status}`);
    }
    assert.equal((await ask(`/images/${makeImage(SHELF[0]).uuid}/jobs`)).status, 404);
    assert.equal((await ask('/ping')).status, 200);
  });

  await t.test('upstream requests carry no client query', () => {
    const urls = new Set(upstream.requests.map(({ url }) => url));
    assert.deepEqual([...urls].toSorted(), ['/channels', '/images']);
  });
});

test('a list is the JSON of its manifests indented by two, byte for byte, with no caching headers', async (t) => {
  const [first, second] = [makeCatalog(120, { seed: 'one' }), makeCatalog(80, { seed: 'two' })];
  await using one = await startImageServer({ images: first });
  await using two = await startImageServer({ images: second });
  const mirror = await startMirror(t, { upstreams: [one.url, two.url] });
  const ask = createAsk(mirror);
  // Some uuids are in both: the first upstream's manifest is the one that counts.
  const byUuid = new Map([...second, ...first].map(({ uuid, manifest }) => [uuid as string, manifest]));
  for (const path of ['/images', '/images?limit=7', '/images?os=linux', '/images?sort=published_at.desc']) {
    const answer = await ask(path);
    const manifests = uuidsOf(answer).map((uuid) => byUuid.get(uuid));
    assert.equal(answer.text, JSON.stringify(manifests, null, 2), path);
    assert.equal(answer.headers['content-type'], 'application/json');
    assert.equal(answer.headers['content-length'], String(answer.bytes));
    assert.equal(answer.headers['transfer-encoding'], undefined);
    for (const name of ['cache-control', 'etag', 'vary', 'last-modified', 'content-encoding', 'content-md5']) {
      assert.equal(answer.headers[name], undefined, `${name} on ${path}`);
    }
    assert.equal(answer.headers['x-cache'], 'HIT');
    assert.match(String(answer.headers['age']), /^\d$/);
  }
  assert.equal(uuidsOf(await ask('/images')).length, byUuid.size);
  assert.equal((await ask('/images?name=none')).text, '[]');
});

test('a conditional request for a list gets the list: lists have no Etag', async (t) => {
  await using upstream = await startImageServer({ images: [makeImage()] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const answer = await createAsk(mirror)('/images', { headers: { 'if-none-match': '*', 'if-match': '"x"' } });
  assert.equal(answer.status, 200);
  assert.equal(uuidsOf(answer).length, 1);
});
