import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { reasonOf } from '../../../src/upstream/unavailable.ts';
import { startImageServer } from '../../support/image-server.ts';
import { makeCatalog, makeImage } from '../../support/images.ts';
import { REQUEST_ID, json, request, startLoopback, status, upstreamFor, uuidOf } from './loopback.ts';

const list = { ...request, channel: undefined, validators: {} } as const;
const image = { ...request, uuid: uuidOf(1), channel: undefined } as const;
const isReason = (reason: string) => (error: unknown) => reasonOf(error) === reason;

const uuidsOf = (images: readonly unknown[]): unknown[] =>
  images.map((entry) => (typeof entry === 'object' && entry !== null && 'uuid' in entry ? entry.uuid : undefined));

test('a request says what we are, asks for version 2, and carries the request id', async (t) => {
  const server = await startLoopback(t, json([]));
  await upstreamFor(t, server.url).list(list);
  const [seen] = server.requests;
  assert.equal(seen?.url, '/images');
  const { headers } = seen;
  assert.deepEqual(
    [headers['accept-version'], headers['x-request-id'], headers['accept-encoding'], headers['accept']],
    ['~2', REQUEST_ID, 'gzip', 'application/json'],
  );
});

test('a list of any length is read whole from a server that caps at 1000, each image once', async (t) => {
  const images = makeCatalog(2_500);
  await using server = await startImageServer({ images, behaviour: { listCap: 1000 } });
  const answer = await upstreamFor(t, server.url, { listMaxBytes: 64 * 1024 * 1024 }).list(list);
  assert.ok(answer.kind === 'list');
  assert.equal(answer.images.length, 2_500);
  assert.deepEqual(new Set(uuidsOf(answer.images)), new Set(images.map(({ uuid }) => uuid)));
  assert.equal(server.countOf('list'), 3);
});

test('a list of more than 1000 that came at once is not fetched again', async (t) => {
  await using server = await startImageServer({ images: makeCatalog(1_200) });
  const answer = await upstreamFor(t, server.url, { listMaxBytes: 64 * 1024 * 1024 }).list(list);
  assert.ok(answer.kind === 'list');
  assert.equal(answer.images.length, 1_200);
  assert.ok(server.countOf('list') <= 2);
});

test('a server that ignores the marker, or always has one more page, does not keep us for ever', async (t) => {
  const page = Array.from({ length: 1000 }, (_, n) => ({ uuid: uuidOf(n) }));
  const server = await startLoopback(t, json(page));
  const upstream = upstreamFor(t, server.url, { listMaxBytes: 1024 * 1024 * 1024 });
  const same = await upstream.list(list);
  assert.ok(same.kind === 'list');
  assert.equal(same.images.length, 1000);
  let served = 0;
  server.answer = (asked, response) => {
    served += 1;
    json(Array.from({ length: 1000 }, (_, n) => ({ uuid: uuidOf(served * 1000 + n) })))(asked, response);
  };
  await assert.rejects(upstream.list(list), { code: 'UpstreamUnavailable', message: /more than 200 pages/ });
});

test('the bound on a list holds for all its pages together', async (t) => {
  await using server = await startImageServer({ images: makeCatalog(2_500), behaviour: { listCap: 1000 } });
  const upstream = upstreamFor(t, server.url, { listMaxBytes: 900_000 });
  await assert.rejects(upstream.list(list), { code: 'UpstreamUnavailable', message: /larger than the allowed/ });
});

test('a list that inflates beyond its bound is refused', async (t) => {
  const bomb = gzipSync(`[${'{},'.repeat(2_000_000)}{}]`);
  const server = await startLoopback(t, (_request, response) => {
    response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb);
  });
  await assert.rejects(upstreamFor(t, server.url).list(list), { message: /larger than the allowed/ });
});

test('a list is asked for conditionally, and unchanged is told as such', async (t) => {
  await using server = await startImageServer({ images: makeCatalog(10), behaviour: { listMode: 'etag' } });
  const upstream = upstreamFor(t, server.url);
  const first = await upstream.list(list);
  assert.ok(first.kind === 'list' && first.validators.etag !== undefined);
  assert.deepEqual(await upstream.list({ ...list, validators: first.validators }), { kind: 'unchanged' });
});

test('the validator of a first page says nothing about the rest: it is not kept', async (t) => {
  await using server = await startImageServer({
    images: makeCatalog(1_100),
    behaviour: { listMode: 'etag', listCap: 1000 },
  });
  const answer = await upstreamFor(t, server.url, { listMaxBytes: 64 * 1024 * 1024 }).list(list);
  assert.ok(answer.kind === 'list');
  assert.deepEqual(answer.validators, {});
});

for (const listMode of ['truncated', 'cut', 'not-json', 'object'] as const) {
  test(`a list that is ${listMode} is an error, never an empty list`, async (t) => {
    await using server = await startImageServer({ images: makeCatalog(50), behaviour: { listMode } });
    await assert.rejects(upstreamFor(t, server.url).list(list), { code: 'UpstreamUnavailable' });
  });
}

test('an endless list is given up at its bound', async (t) => {
  await using server = await startImageServer({ images: makeCatalog(50), behaviour: { listMode: 'endless' } });
  await assert.rejects(upstreamFor(t, server.url).list(list), { message: /larger than the allowed/ });
});

test('a list that trickles past the deadline is "timeout"', async (t) => {
  const server = await startLoopback(t, (_request, response) => {
    response.writeHead(200);
    const timer = setInterval(() => response.write(' '), 20);
    response.on('close', () => clearInterval(timer));
  });
  await assert.rejects(upstreamFor(t, server.url, { jsonTimeoutMs: 150 }).list(list), isReason('timeout'));
});

test('a manifest is found, absent after 404 and 410 alone, and unknown after anything else', async (t) => {
  const wanted = makeImage();
  await using server = await startImageServer({ images: [wanted] });
  const upstream = upstreamFor(t, server.url);
  assert.deepEqual(await upstream.manifest({ ...image, uuid: wanted.uuid }), { kind: 'found', json: wanted.manifest });
  assert.deepEqual(await upstream.manifest(image), { kind: 'absent' });
  server.behaviour = { status: 410 };
  assert.deepEqual(await upstream.manifest(image), { kind: 'absent' });
  for (const code of [204, 400, 401, 403, 405, 418, 429, 500, 503]) {
    server.behaviour = { status: code };
    await assert.rejects(upstream.manifest(image), isReason('status'), String(code));
  }
});

test('another image than the one asked for is refused, and so is none', async (t) => {
  const server = await startLoopback(t, json({ uuid: uuidOf(2) }));
  const upstream = upstreamFor(t, server.url);
  for (const value of [{ uuid: uuidOf(2) }, {}, null, [], 'text', 7, [{ uuid: uuidOf(1) }]]) {
    server.answer = json(value);
    await assert.rejects(upstream.manifest(image), isReason('body'), JSON.stringify(value));
  }
});

test('the channel is a query of its own, encoded', async (t) => {
  const server = await startLoopback(t, json({ uuid: uuidOf(1) }));
  const upstream = upstreamFor(t, server.url);
  await upstream.manifest({ ...image, channel: '*' });
  await upstream.manifest({ ...image, channel: 'a&limit=1' });
  assert.deepEqual(
    server.requests.map(({ url }) => url),
    [`/images/${uuidOf(1)}?channel=*`, `/images/${uuidOf(1)}?channel=a%26limit%3D1`],
  );
});

test('a redirect to another origin is unknown, said with where it leads, and not followed', async (t) => {
  const other = await startLoopback(t, json({ uuid: uuidOf(1) }));
  const server = await startLoopback(t, status(302, { location: `${other.url}/images/${uuidOf(1)}` }));
  const upstream = upstreamFor(t, server.url, { headers: { authorization: 'Bearer s3cret' } });
  await assert.rejects(
    upstream.manifest(image),
    (error) => String(error).includes(other.url) && reasonOf(error) === 'body',
  );
  assert.equal(other.requests.length, 0);
});

test('channels are parsed, absent after 404, and unknown after anything else', async (t) => {
  const server = await startLoopback(t, json([{ name: 'dev', default: true }]));
  const upstream = upstreamFor(t, server.url);
  assert.deepEqual(await upstream.channels(request), [{ name: 'dev', default: true }]);
  server.answer = status(404);
  assert.equal(await upstream.channels(request), undefined);
  server.answer = json({ dev: true });
  await assert.rejects(upstream.channels(request), isReason('body'));
  server.answer = status(500);
  await assert.rejects(upstream.channels(request), isReason('status'));
});

test('a ping is an answer of 200; it need not say imgapi', async (t) => {
  const server = await startLoopback(t, json({ ping: 'pong' }));
  const upstream = upstreamFor(t, server.url);
  await upstream.ping(request);
  server.answer = status(502);
  await assert.rejects(upstream.ping(request), isReason('status'));
});
