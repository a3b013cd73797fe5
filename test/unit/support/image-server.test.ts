import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { startImageServer } from '../../support/image-server.ts';
import type { ImageServer, ImageServerOptions } from '../../support/image-server.ts';
import { makeImage } from '../../support/images.ts';
import { rawHeader, rawRequest } from '../../support/raw-request.ts';
import type { RawRequestOptions, RawResponse } from '../../support/raw-request.ts';
import { until } from '../../support/wait-for.ts';

const image = makeImage({ name: 'served', size: 300_001, files: 2, icon: true });
const filePath = `/images/${image.uuid}/file`;

async function start(t: TestContext, options: ImageServerOptions = {}): Promise<ImageServer> {
  const server = await startImageServer({ images: [image], ...options });
  t.after(() => server.close());
  return server;
}

function get(server: ImageServer, path: string, options: Partial<RawRequestOptions> = {}): Promise<RawResponse> {
  return rawRequest({ port: server.port, path, hash: true, deadlineMs: 10_000, ...options });
}

function jsonOf(response: RawResponse): unknown {
  return JSON.parse(response.body.toString());
}

test('a list is JSON indented by 2, with a length, no charset, and the request id echoed', async (t) => {
  const server = await start(t);
  const response = await get(server, '/images', { headers: { 'x-request-id': 'id-1', 'accept-version': '~2' } });
  assert.equal(response.body.toString(), JSON.stringify([image.manifest], null, 2));
  assert.equal(rawHeader(response, 'Content-Type'), 'application/json');
  assert.equal(Number(rawHeader(response, 'Content-Length')), response.bytes);
  assert.equal(rawHeader(response, 'x-request-id'), 'id-1');
  assert.equal(rawHeader(response, 'Server'), 'imgapi/4.13.1');
});

test('the first file comes whole with Etag, Content-MD5 and Content-Length, and a Range is ignored', async (t) => {
  const server = await start(t);
  const [file, second] = image.files;
  assert.ok(file && second);
  const response = await get(server, filePath, { headers: { range: 'bytes=10-20' } });
  assert.equal(response.status, 200);
  assert.equal(response.sha1, file.sha1);
  assert.equal(rawHeader(response, 'Content-MD5'), file.md5);
  assert.equal(rawHeader(response, 'Etag'), file.sha1);
  assert.equal(rawHeader(response, 'Content-Length'), String(file.size));
  assert.equal(response.headers['accept-ranges'], undefined);
  assert.equal((await get(server, `${filePath}?index=1`)).sha1, second.sha1);
  assert.equal(server.bytesSent, file.size + second.size);
  assert.deepEqual(server.fileAnswers, { running: 0, peak: 1, total: 2 });
});

test('what is missing is answered with IMGAPI errors', async (t) => {
  const server = await start(t);
  const unknown = makeImage({ name: 'unknown', size: 1 }).uuid;
  const bare = makeImage({ name: 'bare', size: 1 });
  server.images.add(bare);
  const cases: [string, number, string, string][] = [
    [`/images/${unknown}`, 404, 'ResourceNotFound', `image ${unknown} not found`],
    ['/images/NO-UUID', 404, 'ResourceNotFound', '/images/NO-UUID does not exist'],
    [`/images/${image.uuid}/file?index=2`, 404, 'ResourceNotFound', `image "${image.uuid}" has no file at index 2`],
    [`/images/${bare.uuid}/icon`, 404, 'ResourceNotFound', `image "${bare.uuid}" has no icon`],
    ['/channels', 404, 'ResourceNotFound', '/channels does not exist'],
    ['/ping?error=ValidationFailed', 422, 'ValidationFailed', 'boom'],
  ];
  for (const [path, status, code, message] of cases) {
    const response = await get(server, path);
    assert.equal(response.status, status, path);
    assert.partialDeepStrictEqual(jsonOf(response), { code, message });
  }
  assert.equal((await get(server, '/images', { method: 'POST', body: '{}' })).status, 401);
  assert.equal((await get(server, '/ping', { headers: { 'accept-version': '~99' } })).status, 400);
});

test('lists hold active images, single look-ups any state, and both follow the channel', async (t) => {
  const disabled = makeImage({ name: 'disabled', state: 'disabled', size: 1, channels: ['dev'] });
  const dev = makeImage({ name: 'dev', size: 1, channels: ['dev'] });
  const channels = [{ name: 'dev', default: true }, { name: 'staging' }];
  const server = await start(t, { images: [disabled, dev], channels });
  const version2 = { headers: { 'accept-version': '~2' } };
  assert.deepEqual(jsonOf(await get(server, '/images', version2)), [dev.manifest]);
  assert.deepEqual(jsonOf(await get(server, '/images?channel=staging', version2)), []);
  assert.equal((await get(server, '/images?channel=bogus')).status, 422);
  assert.equal((await get(server, `/images/${disabled.uuid}`)).status, 200);
  assert.equal((await get(server, `/images/${dev.uuid}?channel=staging`)).status, 404);
  assert.equal((await get(server, `/images/${dev.uuid}?channel=*`)).status, 200);
  assert.ok(!(await get(server, `/images/${dev.uuid}`)).body.includes('channels'), 'version 1 has no channels');
  assert.deepEqual(jsonOf(await get(server, '/channels')), channels);
});

test('a manifest answers 304 and 412 to its ETag, and absolute-form targets and base paths work', async (t) => {
  const server = await start(t, { basePath: '/foo' });
  const tag = createHash('sha1').update(JSON.stringify(image.manifest)).digest('hex');
  const path = `http://other.host/foo/images/${image.uuid}`;
  assert.equal(rawHeader(await get(server, path), 'Etag'), tag);
  assert.equal((await get(server, path, { headers: { 'if-none-match': `"${tag}"` } })).status, 304);
  assert.equal((await get(server, path, { headers: { 'if-match': 'other' } })).status, 412);
  assert.equal(server.requests[0]?.url, path);
  assert.equal(server.requests[0]?.path, `/images/${image.uuid}`);
});

test('a cut body ends broken after exactly that many bytes, and only where behave says so', async (t) => {
  const server = await start(t);
  server.behave = ({ route, attempt }) => (route === 'file' && attempt === 1 ? { cutAfterBytes: 100_000 } : undefined);
  const broken = await get(server, filePath);
  assert.equal(broken.endedCleanly, false);
  assert.equal(broken.brokenBy, 'server');
  assert.equal(broken.bytes, 100_000);
  assert.equal(rawHeader(broken, 'Content-Length'), '300001');
  assert.equal((await get(server, filePath)).endedCleanly, true);
});

test('a chunked body without its end is broken, with it clean', async (t) => {
  const server = await start(t, { behaviour: { contentLength: 'none' } });
  const whole = await get(server, filePath);
  assert.equal(whole.headers['transfer-encoding'], 'chunked');
  assert.equal(whole.endedCleanly, true);
  server.behaviour = { contentLength: 'none', cutAfterBytes: 5 };
  assert.equal((await get(server, filePath)).endedCleanly, false);
});

test('corruptAtByte changes one bit, contentMd5 and contentLength lie as told', async (t) => {
  const server = await start(t, { behaviour: { corruptAtByte: 200_000, contentMd5: 'none' } });
  const right = image.files[0]?.bytes() ?? Buffer.alloc(0);
  const corrupt = await get(server, filePath);
  assert.equal(corrupt.bytes, right.length);
  assert.deepEqual(
    [...corrupt.body.keys()].filter((index) => corrupt.body[index] !== right[index]),
    [200_000],
  );
  assert.equal(corrupt.headers['content-md5'], undefined);
  server.behaviour = { contentLength: 400_000, contentMd5: 'wrong' };
  const lying = await get(server, filePath);
  assert.equal(lying.endedCleanly, false);
  assert.equal(lying.bytes, 300_001);
  assert.notEqual(lying.headers['content-md5'], image.files[0]?.md5);
});

test('a stalled body goes on when the knob is turned back', async (t) => {
  const server = await start(t, { behaviour: { stallAfterBytes: 1000 } });
  let read = 0;
  const reading = get(server, filePath, { onProgress: (bytes) => (read = bytes) });
  await until(() => read === 1000);
  assert.equal(server.fileAnswers.running, 1);
  server.behaviour = {};
  assert.equal((await reading).sha1, image.files[0]?.sha1);
});

test('ranges are honoured only when switched on, with If-Range', async (t) => {
  const server = await start(t, { behaviour: { supportsRange: true } });
  const bytes = image.files[0]?.bytes() ?? Buffer.alloc(0);
  const etag = `"${image.files[0]?.sha1}"`;
  const part = await get(server, filePath, { headers: { range: 'bytes=1000-', 'if-range': etag } });
  assert.equal(part.status, 206);
  assert.equal(rawHeader(part, 'Content-Range'), 'bytes 1000-300000/300001');
  assert.deepEqual(part.body, bytes.subarray(1000));
  assert.equal((await get(server, filePath, { headers: { range: 'bytes=-5' } })).bytes, 5);
  assert.equal((await get(server, filePath, { headers: { range: 'bytes=5-', 'if-range': '"other"' } })).status, 200);
  assert.equal((await get(server, filePath, { headers: { range: 'bytes=300001-' } })).status, 416);
});

test('a list can be broken in every way there is', async (t) => {
  const server = await start(t, { behaviour: { extraEntries: [null, 'text'] } });
  assert.deepEqual(jsonOf(await get(server, '/images')), [image.manifest, null, 'text']);
  server.behaviour = { listMode: 'chunked' };
  assert.equal((await get(server, '/images')).headers['transfer-encoding'], 'chunked');
  server.behaviour = { listMode: 'truncated' };
  const truncated = await get(server, '/images');
  assert.ok(truncated.endedCleanly);
  assert.throws(() => jsonOf(truncated));
  server.behaviour = { listMode: 'cut' };
  assert.equal((await get(server, '/images')).endedCleanly, false);
  server.behaviour = { listMode: 'not-json' };
  const signInPage = await get(server, '/images');
  assert.equal(rawHeader(signInPage, 'Content-Type'), 'text/html');
  assert.throws(() => jsonOf(signInPage));
  server.behaviour = { listMode: 'empty' };
  assert.deepEqual(jsonOf(await get(server, '/images')), []);
  server.behaviour = { listMode: 'object' };
  assert.deepEqual(jsonOf(await get(server, '/images')), {});
  server.behaviour = { listMode: 'etag' };
  const { headers } = await get(server, '/images');
  assert.equal((await get(server, '/images', { headers: { 'if-none-match': headers.etag ?? '' } })).status, 304);
  server.behaviour = { listMode: 'endless' };
  const endless = await get(server, '/images', { abortAfterBytes: 3_000_000, keepBody: false });
  assert.equal(endless.brokenBy, 'abort-after');
});

test('headers can be delayed, withheld, replaced, redirected, or the connection reset', async (t) => {
  const server = await start(t, { behaviour: { delayHeadersMs: 30 } });
  assert.ok((await get(server, '/ping')).headersAtMs >= 25);
  server.behaviour = { hangHeaders: true };
  await assert.rejects(get(server, '/ping', { deadlineMs: 50 }));
  server.behaviour = { status: 503, body: { code: 'ServiceUnavailableError', message: 'later' } };
  assert.partialDeepStrictEqual(jsonOf(await get(server, '/ping')), { message: 'later' });
  server.behaviour = { redirectTo: 'http://elsewhere/' };
  assert.equal((await get(server, '/ping')).headers.location, 'http://elsewhere/');
  server.behaviour = { resetHeaders: true };
  await assert.rejects(get(server, '/ping'));
  server.behaviour = { headers: { 'Content-Length': undefined, Extra: '1' } };
  const chunked = await get(server, '/ping');
  assert.equal(chunked.headers['transfer-encoding'], 'chunked');
  assert.equal(rawHeader(chunked, 'Extra'), '1');
});

test('a shared rate holds for two readers together', async (t) => {
  const server = await start(t, { behaviour: { rateBytesPerSecond: 3_000_000 } });
  const responses = await Promise.all([get(server, filePath), get(server, filePath)]);
  // 600,002 bytes at 3 MB/s are 200 ms, less the first piece and what a throttle may catch up; no upper bound, as machines are slow.
  assert.ok(Math.max(...responses.map((response) => response.endedAtMs)) > 150);
  assert.ok(responses.every((response) => response.sha1 === image.files[0]?.sha1));
  assert.equal(server.fileAnswers.peak, 2);
});

test('a stopped server refuses, and a restarted one answers on the same port', async (t) => {
  const server = await start(t, { behaviour: { stallAfterBytes: 10 } });
  let read = 0;
  const reading = get(server, filePath, { onProgress: (bytes) => (read = bytes) });
  await until(() => read === 10);
  await server.stop();
  assert.equal((await reading).endedCleanly, false);
  await assert.rejects(get(server, '/ping'), { code: 'ECONNREFUSED' });
  await server.restart();
  assert.equal((await get(server, '/ping')).status, 200);
  assert.equal(server.countOf('ping'), 1);
  assert.equal(server.countOf(/\/file$/), 1);
});

test('a behave that throws is told by close', async () => {
  const server = await startImageServer();
  server.behave = () => {
    throw new Error('a mistake in a test');
  };
  await assert.rejects(get(server, '/ping'));
  await assert.rejects(server.close(), AggregateError);
});
