import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sha1Of } from '../../src/imgapi/ids.ts';
import { startImageServer } from '../support/image-server.ts';
import { makeImage, type TestImage } from '../support/images.ts';
import { startMirror } from '../support/mirror.ts';
import { assertError, createAsk } from './ask.ts';

const etagOf = ({ manifest }: TestImage): string => sha1Of(Buffer.from(JSON.stringify(manifest)));

test('a manifest is what its upstream wrote, with the real server’s Etag', async (t) => {
  const listed = makeImage({
    name: 'odd',
    size: 900,
    publishedAt: '2020-01-01T00:00:03.477761587Z',
    // Everything a mirror is tempted to tidy up.
    extra: {
      v: '2',
      version: 7,
      image_size: '10240',
      requirements: { min_platform: { '7.0': '20130101T000000Z' }, networks: [{ name: 'net0', a: 1, A: null }] },
      description: 'Größe: 10 µm — ≈ 日本語 \u2028 "quoted" \\ \u0007',
      unknown_field: [1, 1.5, -0.25, 1e21, true, null, {}],
    },
  });
  await using upstream = await startImageServer({ images: [listed] });
  const ask = createAsk(await startMirror(t, { upstreams: [upstream.url] }));
  const answer = await ask(`/images/${listed.uuid}`);
  assert.equal(answer.status, 200);
  assert.equal(answer.text, JSON.stringify(listed.manifest, null, 2));
  assert.equal(answer.headers['etag'], etagOf(listed));
  assert.equal(answer.headers['content-type'], 'application/json');
  assert.equal(answer.headers['content-length'], String(answer.bytes));
  assert.equal(answer.headers['x-cache'], 'HIT');
  assert.match(String(answer.headers['age']), /^\d$/);
  for (const name of ['cache-control', 'vary', 'content-md5', 'transfer-encoding', 'content-encoding']) {
    assert.equal(answer.headers[name], undefined, name);
  }
  assert.equal(upstream.countOf('manifest'), 0);
});

test('If-None-Match answers 304, a missed If-Match 412, in every spelling of a tag', async (t) => {
  const image = makeImage({ size: 900 });
  await using upstream = await startImageServer({ images: [image] });
  const ask = createAsk(await startMirror(t, { upstreams: [upstream.url] }));
  const path = `/images/${image.uuid}`;
  const tag = etagOf(image);
  for (const value of [tag, `"${tag}"`, `W/"${tag}"`, `"x", "${tag}"`, '*']) {
    const known = await ask(path, { headers: { 'if-none-match': value } });
    assert.equal(known.status, 304, value);
    assert.equal(known.bytes, 0);
    assert.equal(known.headers['etag'], tag);
  }
  const twice = await ask(path, { headers: ['If-None-Match', '"x"', 'If-None-Match', tag] });
  assert.equal(twice.status, 304);
  for (const value of ['"x"', '', `${tag}0`]) {
    assert.equal((await ask(path, { headers: { 'if-none-match': value } })).status, 200, value);
  }
  for (const value of [tag, `"${tag}"`, '*']) {
    assert.equal((await ask(path, { headers: { 'if-match': value } })).status, 200, value);
  }
  const missed = await ask(path, { headers: { 'if-match': '"x"' } });
  assertError(missed, { status: 412, code: 'PreconditionFailedError', message: /x/ });
});

test('a uuid in any other spelling, and junk, is 404 with the url, and asks nobody', async (t) => {
  const image = makeImage({ size: 900 });
  await using upstream = await startImageServer({ images: [image] });
  const ask = createAsk(await startMirror(t, { upstreams: [upstream.url] }));
  upstream.forget();
  const { uuid } = image;
  const spellings = [
    uuid.toUpperCase(),
    `${uuid}0`,
    uuid.slice(1),
    `{${uuid}}`,
    uuid.replaceAll('-', ''),
    'junk',
    ':uuid',
  ];
  for (const spelling of spellings) {
    for (const tail of ['', '/file', '/icon', '?channel=*&a=b', '/file?index=0']) {
      const path = `/images/${spelling}${tail}`;
      assertError(await ask(path), { status: 404, code: 'ResourceNotFound', message: `${path} does not exist` });
    }
  }
  assert.deepEqual(upstream.requests, []);
});

test('an image of any state is served by its uuid, though no list has it', async (t) => {
  const states = ['disabled', 'unactivated', 'creating', 'failed'];
  const images = states.map((state) => makeImage({ name: state, state, size: 900 }));
  const { published_at: _, ...unpublished } = makeImage({ name: 'new', state: 'unactivated', files: 0 }).manifest;
  const fresh = { ...makeImage({ name: 'new', files: 0 }), manifest: unpublished };
  await using upstream = await startImageServer({ images: [...images, fresh] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const ask = createAsk(mirror);
  assert.equal((await ask('/images')).text, '[]');
  for (const image of [...images, fresh]) {
    const first = await ask(`/images/${image.uuid}?owner=x&state=active`);
    assert.equal(first.text, JSON.stringify(image.manifest, null, 2));
    assert.equal(first.headers['x-cache'], 'MISS');
    assert.equal(first.headers['etag'], etagOf(image));
    const second = await ask(`/images/${image.uuid}`);
    assert.equal(second.text, first.text);
    assert.equal(second.headers['x-cache'], 'HIT');
  }
  assert.equal(upstream.countOf('manifest'), images.length + 1);
  assert.ok(upstream.requests.every(({ url }) => !url.includes('?')));
  const file = await ask(`/images/${images[0]!.uuid}/file`, { hash: true });
  assert.equal(file.sha1, images[0]!.files[0]?.sha1);
  assertError(await ask(`/images/${fresh.uuid}/file`), {
    status: 404,
    code: 'ResourceNotFound',
    message: `image "${fresh.uuid}" has no file at index 0`,
  });
});

test('a looked-up image is served, as stale, by a mirror that was restarted with its upstream down', async (t) => {
  const origin = makeImage({ name: 'origin', state: 'disabled', size: 900 });
  const child = makeImage({ name: 'child', origin, size: 900 });
  await using upstream = await startImageServer({ images: [origin, child] });
  const before = await startMirror(t, { upstreams: [upstream.url] });
  await createAsk(before)(`/images/${origin.uuid}`);
  await before.close();
  await upstream.stop();
  const after = await startMirror(t, { upstreams: [upstream.url], dir: before.dir, catalog: { refreshEvery: 1 } });
  const ask = createAsk(after);
  const found = await ask(`/images/${origin.uuid}`);
  assert.equal(found.text, JSON.stringify(origin.manifest, null, 2));
  assert.equal(found.headers['x-cache'], 'STALE');
  const listed = await ask('/images');
  assert.equal(listed.text, JSON.stringify([child.manifest], null, 2));
  assert.equal(listed.headers['x-cache'], 'STALE');
  assert.match(String(listed.headers['age']), /^\d+$/);
  const unknown = await ask('/images/99999999-0000-4000-8000-000000000000');
  assertError(unknown, { status: 503, code: 'ServiceUnavailableError', message: /up0/ });
});

test('the id of a client goes along with its look-up, and nothing else of it', async (t) => {
  await using upstream = await startImageServer();
  const ask = createAsk(await startMirror(t, { upstreams: [upstream.url] }));
  const id = '11111111-2222-4333-8444-555555555555';
  const uuid = '99999999-0000-4000-8000-000000000000';
  await ask(`/images/${uuid}?account=x&channel=evil`, {
    headers: { 'x-request-id': id, authorization: 'Basic abc', cookie: 'a=b', 'x-forwarded-for': '1.2.3.4', via: 'x' },
  });
  const sent = upstream.requests.find(({ route }) => route === 'manifest');
  assert.equal(sent?.url, `/images/${uuid}`);
  assert.equal(sent.headers['x-request-id'], id);
  // The mark by which loops are found: ours alone.
  assert.match(String(sent.headers['via']), /^1\.1 imgapi-mirror-[0-9a-f]{16}-up0$/);
  for (const name of ['authorization', 'cookie', 'x-forwarded-for']) {
    assert.equal(sent.headers[name], undefined, name);
  }
});
