import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test, type TestContext } from 'node:test';
import { startImageServer } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { startMirror, type TestMirror } from '../support/mirror.ts';
import { assertError, createAsk, sendBytes } from './ask.ts';

const image = makeImage({ size: 5_000, icon: true });
const UNAUTHORIZED = { status: 401, code: 'UnauthorizedError', message: 'Unauthorized' };
/** As imgadm publish sends, on the PUT too. */
const PUBLISH = { 'accept-version': '*', 'content-type': 'application/json', connection: 'close' };

async function startOne(t: TestContext): Promise<{ mirror: TestMirror; asked: () => string[] }> {
  const upstream = await startImageServer({ images: [image] });
  t.after(() => upstream.close());
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  upstream.forget();
  return { mirror, asked: () => upstream.requests.map(({ method, url }) => `${method} ${url}`) };
}

/** Head and body of an answer as it came over the wire. */
function parts(text: string): { status: number; head: string; body: string } {
  const [head = '', body = ''] = text.split(/\r\n\r\n(.*)/s);
  return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0), head: head.toLowerCase(), body };
}

test('every write on an image path is 401, with or without a body, and reaches no upstream', async (t) => {
  const { mirror, asked } = await startOne(t);
  const ask = createAsk(mirror);
  const path = `/images/${image.uuid}`;
  const writes: readonly (readonly [method: string, path: string])[] = [
    ['POST', '/images'],
    ['POST', '/images?action=import-remote&source=http://evil'],
    ['POST', `${path}?action=import`],
    ['POST', `${path}?action=activate`],
    ['POST', path],
    ['DELETE', path],
    ['PUT', `${path}/file?compression=gzip&sha1=x`],
    ['POST', `${path}/file/from-url`],
    ['PUT', `${path}/icon`],
    ['DELETE', `${path}/icon`],
    ['POST', `${path}/acl?action=add`],
    ['POST', `${path}/channels`],
    ['POST', '/images/not-a-uuid?action=import'],
  ];
  for (const [method, target] of writes) {
    for (const body of [undefined, '', '{"a":1}', '{broken', Buffer.from([0, 255])]) {
      const answer = await ask(target, { method, headers: PUBLISH, ...(body === undefined ? {} : { body }) });
      assertError(answer, UNAUTHORIZED);
      assert.equal(answer.text, JSON.stringify({ code: 'UnauthorizedError', message: 'Unauthorized' }, null, 2));
    }
  }
  assert.deepEqual(asked(), []);
});

test('a PUT with a body of several MB is refused at once and its connection closed', async (t) => {
  const { mirror } = await startOne(t);
  const ask = createAsk(mirror);
  const body = randomBytes(6_000_000);
  const path = `/images/${image.uuid}/file`;
  const wholes = await Promise.all(
    Array.from({ length: 4 }, async () => ask(path, { method: 'PUT', body, headers: PUBLISH })),
  );
  for (const answer of wholes) {
    assertError(answer, UNAUTHORIZED);
    assert.equal(answer.headers.connection, 'close');
  }
  const head = `PUT ${path} HTTP/1.1\r\nHost: x\r\n`;

  await t.test('a client that has sent nothing of it yet is answered all the same', async () => {
    const { text, isClosed } = await sendBytes(mirror.port, `${head}Content-Length: 6000000\r\n\r\n`);
    assert.equal(parts(text).status, 401);
    assert.ok(isClosed);
  });

  await t.test('in chunks', async () => {
    const chunk = `${(100_000).toString(16)}\r\n${'x'.repeat(100_000)}\r\n`;
    const { text, isClosed } = await sendBytes(
      mirror.port,
      `${head}Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(40)}0\r\n\r\n`,
    );
    assert.equal(parts(text).status, 401);
    assert.ok(isClosed);
  });

  await t.test('with Expect: 100-continue', async () => {
    const { text } = await sendBytes(mirror.port, `${head}Content-Length: 6000000\r\nExpect: 100-continue\r\n\r\n`);
    assert.match(text, /HTTP\/1\.1 401 /);
  });

  await t.test('what follows on that connection is not taken for a request', async () => {
    const smuggled = 'GET /ping HTTP/1.1\r\nHost: x\r\n\r\n';
    const { text } = await sendBytes(mirror.port, `${head}Content-Length: ${smuggled.length}\r\n\r\n${smuggled}`);
    assert.equal(text.match(/HTTP\/1\.1 /g)?.length, 1);
  });

  assert.equal((await ask('/ping')).status, 200);
});

test('any other method is 405 with an IMGAPI body and says what is allowed', async (t) => {
  const { mirror, asked } = await startOne(t);
  const ask = createAsk(mirror);
  const paths = ['/ping', '/images', `/images/${image.uuid}`, `/images/${image.uuid}/file`, '/channels'];
  for (const path of [...paths, `/images/${image.uuid}/icon`]) {
    for (const method of ['PATCH', 'OPTIONS', 'TRACE', 'PROPFIND', 'LOCK', 'PURGE', 'SEARCH', 'MKCOL', 'QUERY']) {
      const answer = await ask(path, { method });
      assertError(answer, {
        status: 405,
        code: 'MethodNotAllowedError',
        message: new RegExp(`${method} is not allowed`),
      });
      assert.equal(answer.headers['allow'], 'GET, HEAD');
    }
  }
  for (const path of ['/ping', '/channels', '/metrics']) {
    for (const method of ['POST', 'PUT', 'DELETE']) {
      assert.equal((await ask(path, { method, body: '{}' })).status, 405, `${method} ${path}`);
    }
  }
  assert.equal((await ask('/nothing', { method: 'PATCH' })).status, 404);
  assert.deepEqual(asked(), []);
});

test('escaped slashes, backslashes and NULs in a path are 404 and go nowhere', async (t) => {
  const { mirror, asked } = await startOne(t);
  const ask = createAsk(mirror);
  const { uuid } = image;
  const tricks = [
    `/images/${uuid}%2ffile`,
    `/images%2f${uuid}`,
    `/images/%2e%2e%2fping`,
    `/images/..%2f..%2fetc%2fpasswd`,
    `/images/..%5c..%5cetc`,
    `/images/${uuid}%5c..`,
    `/images/${uuid}%00`,
    `/images/%00/file`,
    `/images/${uuid}/file%00`,
    `/images/${uuid}%0d%0aX-Evil:%201`,
    `/images/../images/${uuid}`,
    `/images/./${uuid}`,
    `/images/${uuid}/../${uuid}`,
    `/images/${uuid};a=b`,
    `/images/${encodeURIComponent(`${uuid}?channel=*`)}`,
    `/images/%ef%bc%8f${uuid}`,
    `/_mirror/%2e%2e/images`,
    '/images/%25%32%66',
    '/*',
    '/images/*',
  ];
  for (const path of tricks) {
    const expected = { status: 404, code: 'ResourceNotFound', message: `${path} does not exist` };
    assertError(await ask(path), expected);
    const write = await ask(path, { method: 'PUT', body: 'x' });
    assert.ok([401, 404, 405].includes(write.status), `PUT ${path}: ${write.status}`);
  }
  assert.equal((await ask(`/images/${uuid}/file?index=%00`)).status, 422);
  assert.equal((await ask(`/images/${uuid}/file?index=0%2f`)).status, 422);
  assert.equal((await ask(`/images/${uuid}/file?index=-1`)).status, 422);
  assert.deepEqual(asked(), []);
});

test('credentials nobody asked for do no harm to a read', async (t) => {
  const { mirror, asked } = await startOne(t);
  for (const authorization of ['Signature junk', 'Basic !!', 'Bearer x']) {
    const headers = { authorization };
    for (const path of ['/images', `/images/${image.uuid}/file`]) {
      assert.equal((await createAsk(mirror)(path, { headers })).status, 200, `${authorization} on ${path}`);
    }
  }
  assert.deepEqual(asked(), [`GET /images/${image.uuid}/file`]);
});

test('there is nothing at / as on any image server, but a browser is sent to the page', async (t) => {
  await using upstream = await startImageServer();
  const mirror = await startMirror(t, { upstreams: [upstream.url], waitForCatalog: false });
  const ask = createAsk(mirror);
  for (const accept of ['application/json', '*/*'])
    assertError(await ask('/', { headers: { accept } }), {
      status: 404,
      code: 'ResourceNotFound',
      message: '/ does not exist',
    });
  const sent = await ask('/', { headers: { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' } });
  assert.deepEqual([sent.status, sent.headers.location, sent.headers.vary], [302, '/_mirror/', 'accept']);
  assert.equal((await ask('/', { method: 'POST', headers: { accept: 'text/html' } })).status, 404);
});
