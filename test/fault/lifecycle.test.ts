/** How a mirror begins and ends, whenever it is told to. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { Agent } from 'node:http';
import { connect } from 'node:net';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { runEntry, runServe, startServing } from '../e2e/mirror-process.ts';
import { startImageServer } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { rawRequest } from '../support/raw-request.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { until } from '../support/wait-for.ts';

const NOBODY = 'http://127.0.0.1:1';
/** What ends long before has not been waited for. */
const LONG_DRAIN = { IMGAPI_MIRROR_LISTEN_DRAIN_TIMEOUT: '1h' };

async function places(t: TestContext): Promise<{ cwd: string; dir: string }> {
  const cwd = await makeTempDir(t);
  return { cwd, dir: path.join(cwd, 'cache') };
}

test('SIGTERM at any moment of the start ends it soon, and the directory can be used again', async (t) => {
  const { cwd, dir } = await places(t);
  // From before its first line of code to about when it listens.
  for (const waitMs of [0, 100, 200, 300, 400, 600]) {
    const mirror = runServe(t, { cwd, dir, upstreams: [NOBODY] });
    await sleep(waitMs);
    mirror.child.kill('SIGTERM');
    const end = await mirror.ended;
    assert.ok(end === 0 || end === 'SIGTERM', `after ${waitMs} ms: ${end} ${mirror.err()}`);
  }
  const held = runServe(t, { cwd, dir, upstreams: [NOBODY] });
  await until(() => existsSync(path.join(dir, 'serving.json')), { everyMs: 1 });
  held.child.kill('SIGTERM');
  assert.equal(await held.ended, 0, 'once it holds the directory it gives it back');
  assert.equal(existsSync(path.join(dir, 'serving.json')), false);
  const next = await startServing(t, { cwd, dir, upstreams: [NOBODY] });
  assert.equal((await rawRequest({ port: next.port, path: '/ping' })).status, 200);
});

test('a response that ends while it is stopping leaves a kept-alive connection, which it does not wait for', async (t) => {
  const image = makeImage({ size: 400_000 });
  await using upstream = await startImageServer({ images: [image], behaviour: { stallAfterBytes: 200_000 } });
  const mirror = await startServing(t, { ...(await places(t)), upstreams: [upstream.url], env: LONG_DRAIN });
  const agent = new Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  let seen = 0;
  const running = rawRequest({
    port: mirror.port,
    path: `/images/${image.uuid}/file`,
    headers: { connection: 'keep-alive' },
    agent,
    hash: true,
    onProgress: (bytes) => (seen = bytes),
  });
  await until(() => seen > 0);
  mirror.child.kill('SIGTERM');
  await until(() => mirror.log().some(({ msg }) => msg === 'stopping'));
  upstream.behaviour = {};
  assert.equal((await running).sha1, image.files[0]?.sha1);
  await until(() => mirror.child.exitCode !== null, { deadlineMs: 20_000 });
  assert.equal(await mirror.ended, 0);
});

test('a download that nobody follows is given up as soon as it is told to stop; one that is followed ends', async (t) => {
  const [followed, left] = [makeImage({ name: 'followed', size: 400_000 }), makeImage({ name: 'left', size: 400_000 })];
  await using upstream = await startImageServer({
    images: [followed, left],
    behaviour: { stallAfterBytes: 200_000 },
  });
  const mirror = await startServing(t, { ...(await places(t)), upstreams: [upstream.url] });
  let seen = 0;
  const running = rawRequest({
    port: mirror.port,
    path: `/images/${followed.uuid}/file`,
    hash: true,
    onProgress: (bytes) => (seen = bytes),
  });
  await rawRequest({ port: mirror.port, path: `/images/${left.uuid}/file`, abortAfterBytes: 1 });
  await until(() => seen > 0 && upstream.fileAnswers.running === 2);
  await until(async () => {
    const { body } = await rawRequest({ port: mirror.port, path: '/metrics' });
    return /download_followers 1\n/.test(body.toString());
  });
  mirror.child.kill('SIGTERM');
  await until(() => upstream.fileAnswers.running === 1, { what: 'the download nobody follows is given up' });
  upstream.behaviour = {};
  assert.equal((await running).sha1, followed.files[0]?.sha1);
  assert.equal(await mirror.ended, 0);
});

test('SIGHUP while it is stopping neither reloads nor hurries it', async (t) => {
  const image = makeImage({ size: 400_000 });
  await using upstream = await startImageServer({ images: [image], behaviour: { stallAfterBytes: 200_000 } });
  const mirror = await startServing(t, { ...(await places(t)), upstreams: [upstream.url] });
  let seen = 0;
  const running = rawRequest({
    port: mirror.port,
    path: `/images/${image.uuid}/file`,
    hash: true,
    onProgress: (bytes) => (seen = bytes),
  });
  await until(() => seen > 0);
  mirror.child.kill('SIGTERM');
  await until(() => mirror.log().some(({ msg }) => msg === 'stopping'));
  mirror.child.kill('SIGHUP');
  upstream.behaviour = {};
  assert.equal((await running).sha1, image.files[0]?.sha1);
  assert.equal(await mirror.ended, 0);
  assert.ok(!mirror.log().some(({ msg }) => /reloaded/.test(String(msg))));
});

test('what it finds wrong around it is said at the start: errors refuse, warnings are on stderr and in the log', async (t) => {
  const { cwd, dir } = await places(t);
  const env = { IMGAPI_MIRROR_CACHE_MIN_FREE_BYTES: '1024TiB' };
  await mkdir(dir);
  await writeFile(path.join(dir, 'records.sqlite'), 'these were records once');
  const warned = await startServing(t, { cwd, dir, upstreams: [NOBODY], env });
  assert.match(warned.err(), /^warning: the file system of \S+ has \S+ free, less than cache\.minFreeBytes 1024TiB: /m);
  assert.match(warned.err(), /^warning: \S+records\.sqlite is damaged/m);
  const checks = warned.log().filter(({ msg }) => msg === 'self-check');
  assert.deepEqual(new Set(checks.map(({ check }) => check)), new Set(['records', 'space']));
  assert.ok(warned.log().some(({ msg }) => msg === 'records were damaged: set aside, begun anew'));
  warned.child.kill('SIGTERM');
  assert.equal(await warned.ended, 0);

  await writeFile(path.join(cwd, 'file'), '');
  const refused = runEntry(t, ['config', 'check', '--cache-dir', 'file/cache'], { cwd });
  assert.equal(await refused.ended, 1);
  assert.match(refused.err(), /^cache directory \S+ cannot be used: ENOTDIR at \S+\n$/);
});

test('a clock that is far from an upstream’s is said at the start, on stderr and in the log', async (t) => {
  const headers = { date: new Date(Date.now() + 3_600_000).toUTCString() };
  await using upstream = await startImageServer({ behaviour: { headers } });
  const mirror = await startServing(t, { ...(await places(t)), upstreams: [`up=${upstream.url}`] });
  await until(() => /^warning: the clock of this machine is 60 min behind that of upstream up$/m.test(mirror.err()));
  await until(() => mirror.log().some(({ msg, upstream: name }) => /clock differs/.test(String(msg)) && name === 'up'));
});

test('a connection on which nothing was ever asked holds nothing up', async (t) => {
  const mirror = await startServing(t, { ...(await places(t)), upstreams: [NOBODY], env: LONG_DRAIN });
  const silent = connect(mirror.port, '127.0.0.1');
  t.after(() => silent.destroy());
  silent.on('error', () => undefined);
  await once(silent, 'connect');
  mirror.child.kill('SIGTERM');
  assert.equal(await Promise.race([mirror.ended, sleep(20_000, 'it waited')]), 0);
});
