/** Connections to clients: kept long enough for imgadm, dropped when a client takes nothing, and no business of the download. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import { startImageServer } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { startMirror } from '../support/mirror.ts';
import { until } from '../support/wait-for.ts';
import { createAsk } from './ask.ts';

/** More than the kernel takes for a client that does not read: two socket buffers of some MB. */
const LARGE = 24 * 1024 * 1024;

test('a connection may be idle for two minutes and more, and says so on every kind of answer', async (t) => {
  const image = makeImage({ size: 5_000 });
  await using upstream = await startImageServer({ images: [image] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const ask = createAsk(mirror);
  for (const path of ['/ping', '/images', `/images/${image.uuid}`, `/images/${image.uuid}/file`, '/images/junk']) {
    const { headers } = await ask(path, { agent, headers: { connection: 'keep-alive' } });
    const told = String(headers['keep-alive']);
    assert.ok(Number(/^timeout=(\d+)/.exec(told)?.[1]) >= 120, `${path}: Keep-Alive: ${told}`);
    assert.equal(headers.connection?.toLowerCase(), 'keep-alive', path);
  }
});

test('a client that takes nothing is dropped; its download goes on and the next client is served', async (t) => {
  const image = makeImage({ size: LARGE });
  const [file] = image.files;
  assert.ok(file);
  await using upstream = await startImageServer({ images: [image] });
  const mirror = await startMirror(t, { upstreams: [upstream.url], listen: { clientStallTimeout: 300 } });
  const socket = connect({ host: '127.0.0.1', port: mirror.port });
  t.after(() => socket.destroy());
  socket.on('error', () => {});
  socket.pause();
  socket.write(`GET /images/${image.uuid}/file HTTP/1.1\r\nHost: x\r\n\r\n`);
  await until(() => mirror.log.linesOf(/response aborted/).length === 1);
  const [line] = mirror.log.linesOf(/response aborted/);
  assert.equal(line?.fields['route'], 'file');
  assert.ok(Number(line?.fields['bodyBytes']) < LARGE);
  await until(async () => (await mirror.metric('imgapi_mirror_downloads_total{result="stored"}')) === 1);
  const next = await createAsk(mirror)(`/images/${image.uuid}/file`, { hash: true, keepBody: false });
  assert.deepEqual([next.headers['x-cache'], next.sha1], ['HIT', file.sha1]);
  assert.equal(upstream.countOf('file'), 1);
});

test('the wait for a slow upstream is not held against the client', async (t) => {
  const image = makeImage({ size: 300_000 });
  await using upstream = await startImageServer({ images: [image], behaviour: { stallAfterBytes: 100_000 } });
  const mirror = await startMirror(t, { upstreams: [upstream.url], listen: { clientStallTimeout: 100 } });
  const answer = createAsk(mirror)(`/images/${image.uuid}/file`, { hash: true });
  await until(() => mirror.app.downloads.progressOf(image.files[0]!.sha1) === 100_000);
  setTimeout(() => {
    upstream.behaviour = {};
  }, 400);
  assert.equal((await answer).sha1, image.files[0]?.sha1);
});

test('a slow client slows neither the download nor the others', async (t) => {
  const image = makeImage({ size: LARGE });
  await using upstream = await startImageServer({ images: [image] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const gone = new AbortController();
  const slow = createAsk(mirror)(`/images/${image.uuid}/file`, {
    keepBody: false,
    rateBytesPerSecond: 50_000,
    signal: gone.signal,
  });
  const fast = await createAsk(mirror)(`/images/${image.uuid}/file`, { hash: true, keepBody: false });
  assert.equal(fast.sha1, image.files[0]?.sha1);
  await until(() => mirror.app.downloads.progressOf(image.files[0]!.sha1) === undefined);
  gone.abort();
  assert.equal((await slow).endedCleanly, false);
  assert.equal(upstream.countOf('file'), 1);
});

test('a client that hangs up between two requests is nobody’s error', async (t) => {
  await using upstream = await startImageServer();
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const socket = connect({ host: '127.0.0.1', port: mirror.port });
  socket.write('GET /ping HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(socket, 'data');
  socket.resetAndDestroy();
  assert.equal((await createAsk(mirror)('/ping')).status, 200);
  assert.deepEqual(mirror.log.linesOf('error'), []);
});
