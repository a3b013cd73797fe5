import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reasonOf } from '../../../src/upstream/unavailable.ts';
import { startImageServer } from '../../support/image-server.ts';
import { makeImage } from '../../support/images.ts';
import { bytesOf, request, startLoopback, status, upstreamFor, uuidOf, type Answer } from './loopback.ts';

const BYTES = Buffer.from('0123456789');
const image = { ...request, uuid: uuidOf(1), channel: undefined } as const;
const file = { ...image, index: 0, offset: 0 } as const;
const isReason = (reason: string) => (error: unknown) => reasonOf(error) === reason;

const ranged =
  (contentRange: string | undefined, body: Buffer): Answer =>
  (_request, response) => {
    response.writeHead(206, {
      ...(contentRange === undefined ? {} : { 'content-range': contentRange }),
      'content-length': body.length,
    });
    response.end(body);
  };

test('a file comes with its length and MD5, unencoded, by its index', async (t) => {
  const wanted = makeImage({ size: 70_000, files: 2 });
  await using server = await startImageServer({ images: [wanted] });
  const answer = await upstreamFor(t, server.url).file({ ...file, uuid: wanted.uuid, index: 1 });
  assert.ok(answer.kind === 'file');
  const { start, totalSize, contentMd5, body } = answer.stream;
  assert.deepEqual([start, totalSize, contentMd5], [0, 70_001, wanted.files[1]?.md5]);
  assert.deepEqual(await bytesOf(body), wanted.files[1]?.bytes());
  const [seen] = server.requests;
  assert.equal(seen?.url, `/images/${wanted.uuid}/file?index=1`);
  assert.deepEqual([seen.headers['accept-encoding'], seen.headers['range']], ['identity', undefined]);
});

test('an offset is asked for as a range, and the body starts there', async (t) => {
  const wanted = makeImage({ size: 70_000 });
  await using server = await startImageServer({ images: [wanted], behaviour: { supportsRange: true } });
  const answer = await upstreamFor(t, server.url).file({ ...file, uuid: wanted.uuid, offset: 60_000 });
  assert.ok(answer.kind === 'file');
  assert.equal(server.requests[0]?.headers['range'], 'bytes=60000-');
  assert.deepEqual([answer.stream.start, answer.stream.totalSize], [60_000, 70_000]);
  assert.deepEqual(await bytesOf(answer.stream.body), wanted.files[0]?.read(60_000, 10_000));
});

test('a server without ranges answers from the start, and says so', async (t) => {
  const wanted = makeImage({ size: 70_000 });
  await using server = await startImageServer({ images: [wanted] });
  const answer = await upstreamFor(t, server.url).file({ ...file, uuid: wanted.uuid, offset: 60_000 });
  assert.ok(answer.kind === 'file');
  assert.deepEqual([answer.stream.start, answer.stream.totalSize], [0, 70_000]);
  answer.stream.cancel();
});

const LIES: readonly (readonly [string, number, string | undefined])[] = [
  ['starts elsewhere', 4, 'bytes 5-9/10'],
  ['starts at 0', 4, 'bytes 0-9/10'],
  ['ends before the end', 4, 'bytes 4-8/10'],
  ['ends after the end', 4, 'bytes 4-10/10'],
  ['does not tell the whole', 4, 'bytes 4-9/*'],
  ['is missing', 4, undefined],
  ['is junk', 4, 'items 4-9/10'],
  ['is of several parts', 4, 'bytes 4-5,6-9/10'],
  ['was not asked for', 0, 'bytes 0-9/10'],
];

for (const [what, offset, contentRange] of LIES) {
  test(`a 206 whose Content-Range ${what} is refused, and its connection closed`, async (t) => {
    const server = await startLoopback(t, ranged(contentRange, BYTES.subarray(offset)));
    const upstream = upstreamFor(t, server.url);
    await assert.rejects(upstream.file({ ...file, offset }), isReason('body'));
  });
}

test('a 206 as asked is taken', async (t) => {
  const server = await startLoopback(t, ranged('bytes 4-9/10', BYTES.subarray(4)));
  const answer = await upstreamFor(t, server.url).file({ ...file, offset: 4 });
  assert.ok(answer.kind === 'file');
  assert.equal((await bytesOf(answer.stream.body)).toString(), '456789');
});

test('a file nobody asked to encode is refused', async (t) => {
  const server = await startLoopback(t, status(200, { 'content-encoding': 'gzip' }));
  await assert.rejects(upstreamFor(t, server.url).file(file), { message: /Content-Encoding gzip, unasked/ });
});

test('a file without a length has none; one with a length has it', async (t) => {
  const server = await startLoopback(t, (_request, response) => {
    response.write('0123');
    response.end('456789');
  });
  const answer = await upstreamFor(t, server.url).file(file);
  assert.ok(answer.kind === 'file');
  assert.equal(answer.stream.totalSize, undefined);
  assert.deepEqual(await bytesOf(answer.stream.body), BYTES);
});

test('a file is absent after 404 and 410 alone', async (t) => {
  const server = await startLoopback(t, status(404));
  const upstream = upstreamFor(t, server.url);
  assert.deepEqual(await upstream.file(file), { kind: 'absent' });
  server.answer = status(410);
  assert.deepEqual(await upstream.file(file), { kind: 'absent' });
  for (const code of [204, 401, 403, 416, 429, 500, 503]) {
    server.answer = status(code);
    await assert.rejects(upstream.file(file), isReason('status'), String(code));
  }
});

test('a cancelled file ends its connection and touches nothing else of the caller', async (t) => {
  const closed = Promise.withResolvers<void>();
  const server = await startLoopback(t, (_request, response) => {
    response.on('close', () => closed.resolve());
    response.writeHead(200, { 'content-length': '10' });
    response.write('0123');
  });
  const own = new AbortController();
  const answer = await upstreamFor(t, server.url).file({ ...file, signal: own.signal });
  assert.ok(answer.kind === 'file');
  const reading = bytesOf(answer.stream.body);
  answer.stream.cancel();
  await assert.rejects(reading, { code: 'UpstreamUnavailable' });
  await closed.promise;
  answer.stream.cancel();
  assert.equal(own.signal.aborted, false);
});

test('a file that stalls is "timeout"; there is no deadline on one that moves', async (t) => {
  const server = await startLoopback(t, (_request, response) => {
    response.writeHead(200, { 'content-length': '10' });
    response.write('0123');
  });
  const answer = await upstreamFor(t, server.url, { stallTimeoutMs: 100, jsonTimeoutMs: 1 }).file(file);
  assert.ok(answer.kind === 'file');
  await assert.rejects(bytesOf(answer.stream.body), isReason('timeout'));
});

test('an icon comes whole with its type; 404 is absent, anything else unknown', async (t) => {
  const wanted = makeImage({ icon: true });
  await using server = await startImageServer({ images: [wanted] });
  const upstream = upstreamFor(t, server.url);
  const answer = await upstream.icon({ ...image, uuid: wanted.uuid });
  assert.ok(answer.kind === 'found');
  assert.deepEqual([answer.bytes, answer.contentType], [wanted.icon?.bytes, 'image/png']);
  assert.deepEqual(await upstream.icon(image), { kind: 'absent' });
  server.behaviour = { status: 503 };
  await assert.rejects(upstream.icon(image), isReason('status'));
});

test('an icon that is too large, or shorter than it says, is refused', async (t) => {
  const server = await startLoopback(t, (_request, response) => response.end(Buffer.alloc(512 * 1024 + 1)));
  const upstream = upstreamFor(t, server.url);
  await assert.rejects(upstream.icon(image), { message: /larger than the allowed/ });
  server.answer = (_request, response) => {
    response.writeHead(200, { 'content-length': '100' });
    response.write('short', () => response.socket?.destroy());
  };
  await assert.rejects(upstream.icon(image), { code: 'UpstreamUnavailable' });
});
