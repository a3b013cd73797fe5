import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startImageServer } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { rawHeader } from '../support/raw-request.ts';
import { startMirror } from '../support/mirror.ts';
import { until } from '../support/wait-for.ts';
import { assertError, createAsk, fieldsOf, type Answer, type AskOptions } from './ask.ts';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const ABSENT = '99999999-0000-4000-8000-000000000000';
const ID = '11111111-2222-4333-8444-555555555555';

const image = makeImage({ size: 5_000, icon: true, channels: ['release'] });
const broken = makeImage({ name: 'broken', size: 5_000, channels: ['release'] });
const channels = [{ name: 'release', default: true }];

function assertRoutedHeaders(answer: Answer, what: string): void {
  assert.ok(Math.abs(Date.parse(answer.headers.date ?? '') - Date.now()) < 60_000, what);
  assert.match(String(answer.headers['server']), /^imgapi-mirror\/\d+\.\d+\.\d+/, what);
  assert.match(String(answer.headers['x-request-id']), UUID, what);
  assert.match(String(answer.headers['x-response-time']), /^\d+$/, what);
  assert.equal(answer.headers['x-server-name'], 'mirror.test', what);
  for (const name of ['x-powered-by', 'set-cookie', 'cache-control', 'via']) {
    assert.equal(answer.headers[name], undefined, `${name} of ${what}`);
  }
}

/** Every kind of answer there is, with its status. */
const ANSWERS: readonly (readonly [status: number, path: string, options?: AskOptions])[] = [
  [200, '/ping'],
  [422, '/ping?error=ValidationFailed'],
  [400, '/ping', { headers: { 'accept-version': 'junk' } }],
  [200, '/images'],
  [200, '/images', { headers: { 'accept-encoding': 'gzip' } }],
  [422, '/images?limit=x'],
  [401, '/images?inclAdminFields=true'],
  [422, '/images?channel=bogus'],
  [200, `/images/${image.uuid}`],
  [304, `/images/${image.uuid}`, { headers: { 'if-none-match': '*' } }],
  [412, `/images/${image.uuid}`, { headers: { 'if-match': '"x"' } }],
  [404, `/images/${ABSENT}`],
  [404, '/images/junk'],
  [200, `/images/${image.uuid}/file`],
  [200, `/images/${image.uuid}/file?again`],
  [206, `/images/${image.uuid}/file`, { headers: { range: 'bytes=0-9' } }],
  [416, `/images/${image.uuid}/file`, { headers: { range: 'bytes=5000-' } }],
  [304, `/images/${image.uuid}/file`, { headers: { 'if-none-match': image.files[0]!.sha1 } }],
  [404, `/images/${image.uuid}/file?index=1`],
  [503, `/images/${broken.uuid}/file`],
  [200, `/images/${image.uuid}/icon`],
  [404, `/images/${broken.uuid}/icon`],
  [200, '/channels'],
  [404, '/'],
  [404, '/nothing'],
  [401, `/images/${image.uuid}`, { method: 'DELETE' }],
  [401, '/images', { method: 'POST', body: '{}' }],
  [405, '/images', { method: 'PATCH' }],
  [405, '/ping', { method: 'OPTIONS' }],
  [200, '/images', { method: 'HEAD' }],
  [200, `/images/${image.uuid}/file`, { method: 'HEAD' }],
];

test('every kind of answer has the headers a real server sends', async (t) => {
  await using upstream = await startImageServer({ images: [image, broken], channels });
  upstream.behave = ({ route, uuid }) => (route === 'file' && uuid === broken.uuid ? { status: 500 } : undefined);
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const ask = createAsk(mirror);
  for (const [status, path, options = {}] of ANSWERS) {
    const what = `${options.method ?? 'GET'} ${path}`;
    if (status === 206) await until(() => mirror.app.downloads.progressOf(image.files[0]!.sha1) === undefined);
    const answer = await ask(path, options);
    assert.equal(answer.status, status, `${what}: ${answer.text.slice(0, 200)}`);
    assertRoutedHeaders(answer, what);
    if (status >= 400) {
      const { code, message } = fieldsOf(answer.json);
      assert.match(String(code), /^[A-Z][A-Za-z]+$/, what);
      assertError(answer, { status, code: String(code), message: String(message) });
    }
    assert.equal(answer.endedCleanly, true, what);
  }
});

test('so has the answer to a path that cannot be decoded or is too long for any route', async (t) => {
  await using upstream = await startImageServer();
  const ask = createAsk(await startMirror(t, { upstreams: [upstream.url] }));
  for (const path of ['/images/%zz', '/%', '/images/%c0%af', `/images/${'x'.repeat(400)}`]) {
    const answer = await ask(path);
    assertError(answer, { status: 404, code: 'ResourceNotFound', message: `${path} does not exist` });
    assertRoutedHeaders(answer, path);
  }
});

test('a plain uuid is echoed as the request id, anything else is replaced by a fresh one', async (t) => {
  await using upstream = await startImageServer({ images: [image], channels });
  const ask = createAsk(await startMirror(t, { upstreams: [upstream.url] }));
  const paths = ['/ping', '/images', `/images/${ABSENT}`, `/images/${image.uuid}/file`, '/nothing', '/images/%zz'];
  const idOf = async (path: string, headers: AskOptions['headers']) =>
    String((await ask(path, headers === undefined ? {} : { headers })).headers['x-request-id']);
  for (const path of paths) {
    assert.equal(await idOf(path, { 'x-request-id': ID }), ID, path);
    assert.equal(await idOf(path, { 'request-id': ID }), ID, path);
    assert.equal(await idOf(path, { 'X-Request-Id': ID, 'Request-Id': 'junk' }), ID, path);
  }
  const junk = [
    'junk',
    '',
    `${ID}/../../etc/passwd`,
    `${ID}, ${ID}`,
    ID.replaceAll('-', ''),
    'x'.repeat(5_000),
    '../x',
  ];
  const seen = new Set<string>();
  for (const value of junk) seen.add(await idOf('/ping', { 'x-request-id': value }));
  seen.add(await idOf('/ping', ['x-request-id', ID, 'x-request-id', ID]));
  seen.add(await idOf('/ping', undefined));
  for (const id of seen) assert.match(id, UUID);
  assert.equal(seen.size, junk.length + 2);
  assert.ok(!seen.has(ID));
});

test('an absolute-form target is taken for its path, whatever authority it names', async (t) => {
  await using upstream = await startImageServer({ images: [image], channels });
  const ask = createAsk(await startMirror(t, { upstreams: [upstream.url] }));
  const { uuid } = image;
  for (const authority of [
    'http://other.host',
    'http://other.host:99',
    'https://user:x@other.host',
    'HTTP://OTHER',
    'http://[::1]:8080',
  ]) {
    for (const path of ['/ping', '/images?limit=1', `/images/${uuid}`, '/channels', `/images/${uuid}/icon`]) {
      const answer = await ask(`${authority}${path}`);
      assert.equal(answer.status, 200, `${authority}${path}`);
      assert.deepEqual(answer.body, (await ask(path)).body);
    }
    assert.equal((await ask(`${authority}/images/${uuid}/file`, { hash: true })).sha1, image.files[0]?.sha1);
    const expected = { status: 404, code: 'ResourceNotFound', message: '/images/junk?a=b does not exist' };
    assertError(await ask(`${authority}/images/junk?a=b`), expected);
    assert.equal((await ask(authority)).status, 404);
  }
  assert.equal((await ask('/http://other.host/ping')).status, 404);
});

test('a trailing slash, a doubled one and another case are other paths: 404', async (t) => {
  await using upstream = await startImageServer({ images: [image], channels });
  const ask = createAsk(await startMirror(t, { upstreams: [upstream.url] }));
  const paths = ['/ping', '/images', `/images/${image.uuid}`, `/images/${image.uuid}/file`, '/channels'];
  for (const path of paths) {
    for (const other of [`${path}/`, `${path}/?a=b`, `/${path}`, path.replace('i', 'I').replace('c', 'C')]) {
      const expected = { status: 404, code: 'ResourceNotFound', message: `${other} does not exist` };
      assertError(await ask(other), expected);
    }
  }
});

test('HEAD has the status and the headers of GET, without a body', async (t) => {
  await using upstream = await startImageServer({ images: [image], channels });
  const ask = createAsk(await startMirror(t, { upstreams: [upstream.url] }));
  await ask(`/images/${image.uuid}/file`);
  const paths = [
    '/ping',
    '/ping?error=',
    '/images',
    '/images?limit=x',
    `/images/${image.uuid}`,
    '/channels',
    '/nothing',
  ];
  const more = [
    `/images/${image.uuid}/file`,
    `/images/${image.uuid}/icon`,
    `/images/${ABSENT}`,
    '/images/junk',
    '/metrics',
  ];
  // The icon's first answer is a MISS.
  await ask(`/images/${image.uuid}/icon`);
  for (const path of [...paths, ...more]) {
    const get = await ask(path);
    const head = await ask(path, { method: 'HEAD' });
    assert.equal(head.status, get.status, path);
    assert.equal(head.bytes, 0, path);
    assert.ok(head.endedCleanly);
    const names = ['content-type', 'etag', 'last-modified', 'content-md5', 'x-cache', 'allow', 'accept-ranges'];
    for (const name of path === '/metrics' ? ['content-type'] : [...names, 'content-length']) {
      assert.equal(head.headers[name], get.headers[name], `${name} of ${path}`);
    }
  }
});

test('header names are spelled as the old clients print them', async (t) => {
  await using upstream = await startImageServer({ images: [image], channels });
  const ask = createAsk(await startMirror(t, { upstreams: [upstream.url] }));
  const file = await ask(`/images/${image.uuid}/file`);
  // HTTP does not care; what matters is that each comes once.
  for (const name of ['content-length', 'content-type', 'etag', 'x-request-id', 'server', 'date', 'content-md5']) {
    const spelled = file.rawHeaders.filter((text, at) => at % 2 === 0 && text.toLowerCase() === name);
    assert.equal(spelled.length, 1, name);
    assert.notEqual(rawHeader(file, spelled[0]!), undefined);
  }
});
