import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { startImageServer } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { startMirror, type TestMirror } from '../support/mirror.ts';
import { createAsk, fieldsOf, sendBytes } from './ask.ts';

const image = makeImage({ size: 5_000 });

async function startOne(t: TestContext): Promise<TestMirror> {
  const upstream = await startImageServer({ images: [image] });
  t.after(() => upstream.close());
  return startMirror(t, { upstreams: [upstream.url] });
}

/** A request's text: no header but these, each with its line end. */
function get(path: string, headers: string): string {
  return `GET ${path} HTTP/1.1\r\n${headers}\r\n`;
}

/** Head and body of an answer as it came over the wire. */
function parts(text: string): { status: number; head: string; body: string } {
  const [head = '', body = ''] = text.split(/\r\n\r\n(.*)/s);
  return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0), head: head.toLowerCase(), body };
}

/** What the HTTP parser refuses never becomes a request; it is answered all the same, in IMGAPI's words, and closed. */
function assertRefused(text: string, status: number, what: string): void {
  const answer = parts(text);
  assert.equal(answer.status, status, `${what}: ${text.slice(0, 300)}`);
  assert.match(answer.head, /content-type: application\/json\r?$/m, what);
  const body = fieldsOf(JSON.parse(answer.body));
  assert.equal(typeof body['code'], 'string', `${what}: ${answer.body}`);
  assert.equal(typeof body['message'], 'string', what);
}

test('a method no HTTP library knows is refused in IMGAPI’s words', async (t) => {
  const mirror = await startOne(t);
  const { text, isClosed } = await sendBytes(mirror.port, 'BREW /images HTTP/1.1\r\nHost: x\r\n\r\n');
  assertRefused(text, 405, 'BREW');
  assert.ok(isClosed);
});

test('CONNECT is no way in, and an Upgrade is no upgrade', async (t) => {
  const mirror = await startOne(t);
  const connect = await sendBytes(mirror.port, 'CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n');
  assert.ok(connect.isClosed);
  assert.doesNotMatch(connect.text, /HTTP\/1\.1 2/);
  const headers = { connection: 'Upgrade', upgrade: 'websocket' };
  assert.equal((await createAsk(mirror)('/ping', { headers })).status, 200);
});

test('headers too large, doubled, missing or contradictory are refused, and the mirror lives on', async (t) => {
  const mirror = await startOne(t);
  const cases: readonly (readonly [what: string, status: number, bytes: string])[] = [
    ['a header of 100 KB', 431, get('/images', `Host: x\r\nX-Long: ${'x'.repeat(100_000)}\r\n`)],
    ['a path of 100 KB', 431, `GET /${'x'.repeat(100_000)} HTTP/1.1\r\nHost: x\r\n\r\n`],
    ['three thousand headers', 431, get('/images', `Host: x\r\n${'X-Many: 1234567890\r\n'.repeat(3_000)}`)],
    ['two lengths', 400, get('/images', 'Host: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n')],
    ['length and chunks', 400, get('/images', 'Host: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n')],
    ['a length that is none', 400, get('/images', 'Host: x\r\nContent-Length: -1\r\n')],
    ['a header without a colon', 400, get('/images', 'Host: x\r\nnonsense\r\n')],
    ['a NUL in a header', 400, get('/images', 'Host: x\r\nX-Nul: a\0b\r\n')],
    ['a version of HTTP there is not', 400, 'GET /images HTTP/9.9\r\nHost: x\r\n\r\n'],
  ];
  for (const [what, status, bytes] of cases) {
    const { text, isClosed } = await sendBytes(mirror.port, bytes);
    assertRefused(text, status, what);
    assert.ok(isClosed, what);
    assert.equal((await createAsk(mirror)('/ping')).status, 200, `after ${what}`);
  }
});

test('TLS, SSH or noise on the plain port ends the connection and nothing else', async (t) => {
  const mirror = await startOne(t);
  for (const bytes of ['\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03', 'SSH-2.0-OpenSSH_9.9\r\n', '\0'.repeat(10_000)]) {
    const { isClosed } = await sendBytes(mirror.port, bytes);
    assert.ok(isClosed);
  }
  assert.equal((await createAsk(mirror)('/ping')).status, 200);
});

test('HTTP/1.1 without a Host is 400', async (t) => {
  const mirror = await startOne(t);
  const { text, isClosed } = await sendBytes(mirror.port, 'GET /images HTTP/1.1\r\n\r\n');
  assert.equal(parts(text).status, 400);
  assert.ok(isClosed);
});

test('HTTP/1.0 gets a whole answer and a closed connection', async (t) => {
  const mirror = await startOne(t);
  const { text, isClosed } = await sendBytes(mirror.port, `GET /images/${image.uuid} HTTP/1.0\r\n\r\n`);
  const { status, head, body } = parts(text);
  assert.equal(status, 200);
  assert.match(head, /content-length: \d+/);
  assert.equal(body, JSON.stringify(image.manifest, null, 2));
  assert.ok(isClosed);
});

test('requests sent in one go are answered in their order', async (t) => {
  const mirror = await startOne(t);
  const { text } = await sendBytes(
    mirror.port,
    ['/ping', `/images/${image.uuid}/file`, '/nothing'].map((path) => get(path, 'Host: x\r\n')).join('') +
      get('/ping', 'Host: x\r\nConnection: close\r\n'),
  );
  assert.deepEqual(
    [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status),
    ['200', '200', '404', '200'],
  );
});
