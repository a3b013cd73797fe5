/** `GET /_mirror/ready`. */
import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { startImageServer } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { startMirror } from '../support/mirror.ts';
import { createAsk, fieldsOf } from './ask.ts';

const image = makeImage({ name: 'apple', size: 10_000 });

test('ready when there is a list; the answer is kept by nobody', async (t) => {
  await using upstream = await startImageServer({ images: [image] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const { status, json, headers } = await createAsk(mirror)('/_mirror/ready');
  assert.deepEqual([status, json, headers['cache-control']], [200, { ready: true }, 'no-store']);
});

test('not ready without any list, with what the upstreams say; ready as soon as one comes', async (t) => {
  await using upstream = await startImageServer({ images: [image] });
  await upstream.stop();
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const ask = createAsk(mirror);
  const { status, json } = await ask('/_mirror/ready');
  assert.equal(status, 503);
  const { ready, reasons } = fieldsOf(json);
  assert.equal(ready, false);
  assert.match(String(reasons), /no list of images has come yet.*upstream up0: /);
  assert.deepEqual(fieldsOf(fieldsOf((await ask('/_mirror/api/status')).json)['readiness']), { ready, reasons });
  await upstream.restart();
  await mirror.app.catalog.refresh();
  assert.equal((await ask('/_mirror/ready')).status, 200);
});

test('what was kept before is enough, with every upstream down', async (t) => {
  await using upstream = await startImageServer({ images: [image] });
  const first = await startMirror(t, { upstreams: [upstream.url] });
  await createAsk(first)(`/images/${image.uuid}/file`);
  await first.close();
  await upstream.stop();
  await rm(`${first.dir}/records.sqlite`);
  const second = await startMirror(t, { upstreams: [upstream.url], dir: first.dir });
  assert.equal((await createAsk(second)('/_mirror/ready')).status, 200);
});

test('not ready while the cache directory is gone, and ready again by itself', async (t) => {
  await using upstream = await startImageServer({ images: [image] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const ask = createAsk(mirror);
  // Whoever runs the tests may write everywhere: what cannot be written to is a directory's place taken by a file.
  await rm(mirror.dir, { recursive: true, maxRetries: 10 });
  await writeFile(mirror.dir, '');
  const { status, json } = await ask('/_mirror/ready');
  assert.equal(status, 503);
  assert.match(String(fieldsOf(json)['reasons']), /^the cache directory cannot be used: .*ENOTDIR$/);
  const page = await ask('/_mirror/');
  assert.equal(page.status, 200);
  assert.match(page.text, /the cache directory cannot be used/);
  assert.equal((await ask('/_mirror/health')).status, 200);
  await rm(mirror.dir);
});

test('not ready from the moment it is told to stop', async (t) => {
  await using upstream = await startImageServer({ images: [image] });
  const { app } = await startMirror(t, { upstreams: [upstream.url] });
  const context = { signal: new AbortController().signal, onEvent() {} };
  const read = async (): Promise<unknown> => fieldsOf(await app.operations.status.run({}, context))['readiness'];
  assert.deepEqual(await read(), { ready: true, reasons: [] });
  await app.drain();
  assert.deepEqual(await read(), { ready: false, reasons: ['the mirror is stopping'] });
});
