/** `GET /_mirror/ready`. */
import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { test, type TestContext } from 'node:test';
import { runCli } from '../../src/cli/run.ts';
import { startImageServer } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { startMirror, type TestMirror } from '../support/mirror.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { until } from '../support/wait-for.ts';
import { fakeIo } from '../unit/cli/fake-io.ts';
import { createAsk, fieldsOf } from './ask.ts';

const image = makeImage({ name: 'apple', size: 10_000 });

test('ready when there is a list; the answer is kept by nobody', async (t) => {
  await using upstream = await startImageServer({ images: [image] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const { status, json, headers } = await createAsk(mirror)('/_mirror/ready');
  assert.deepEqual([status, json, headers['cache-control']], [200, { ready: true, reasons: [] }, 'no-store']);
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

/** What a command prints. */
async function typed(t: TestContext, ...args: readonly string[]): Promise<string> {
  const fake = fakeIo(args, { cwd: await makeTempDir(t) });
  await runCli(fake.io);
  return fake.out();
}

/** Whoever runs the tests may write everywhere: what cannot be written to is a directory's place taken by a file. */
async function loseDirectory({ dir }: TestMirror): Promise<void> {
  await rm(dir, { recursive: true, maxRetries: 10 });
  await writeFile(dir, '');
}

test('ready without its cache directory, for it serves; it says so everywhere', async (t) => {
  await using upstream = await startImageServer({ images: [image] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const ask = createAsk(mirror);
  assert.equal(await mirror.metric('imgapi_mirror_cache_writable'), 1);
  await loseDirectory(mirror);
  const file = await ask(`/images/${image.uuid}/file`);
  assert.deepEqual([file.status, file.headers['x-cache']], [200, 'PASS']);
  const reasons = ['the cache directory cannot be read: ENOTDIR'];
  // What was found lately holds for a while.
  await until(async () => (await ask('/_mirror/ready')).text.includes('ENOTDIR'), { deadlineMs: 30_000, everyMs: 100 });
  const { status, json } = await ask('/_mirror/ready');
  assert.deepEqual([status, json], [200, { ready: true, reasons }]);
  assert.deepEqual(fieldsOf((await ask('/_mirror/api/status')).json)['readiness'], { ready: true, reasons });
  await until(async () => (await mirror.metric('imgapi_mirror_cache_writable')) === 0, { deadlineMs: 30_000 });
  assert.equal(await mirror.metric('imgapi_mirror_ready'), 1);
  const page = await ask('/_mirror/');
  assert.equal(page.status, 200);
  assert.match(page.text, /the cache directory cannot be read/);
  assert.match(
    await typed(t, 'status', '--mirror', mirror.url),
    /^trouble +the cache directory cannot be read: ENOTDIR$/m,
  );
  const doctor = await typed(t, 'doctor', '--offline', '--as-client', mirror.url);
  assert.match(doctor, /^warning +mirror +\S+: ready, but the cache directory cannot be read: ENOTDIR /m);
  assert.equal((await ask('/_mirror/health')).status, 200);
  await rm(mirror.dir);
});

test('offline, not ready while the cache directory is gone: nothing can be served', async (t) => {
  await using upstream = await startImageServer({ images: [image] });
  const first = await startMirror(t, { upstreams: [upstream.url] });
  await createAsk(first)(`/images/${image.uuid}/file`);
  await first.close();
  const mirror = await startMirror(t, { upstreams: [upstream.url], dir: first.dir, offline: true });
  const ask = createAsk(mirror);
  assert.equal((await ask('/_mirror/ready')).status, 200);
  await loseDirectory(mirror);
  assert.ok((await ask(`/images/${image.uuid}/file`)).status >= 500);
  await until(async () => (await ask('/_mirror/ready')).status === 503, { deadlineMs: 30_000, everyMs: 100 });
  assert.equal(await mirror.metric('imgapi_mirror_ready'), 0);
  const doctor = await typed(t, 'doctor', '--offline', '--as-client', mirror.url);
  assert.match(doctor, /^problem +mirror +\S+: not ready: the cache directory cannot be read: ENOTDIR /m);
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
