/** How the shipped entry ends: drained at SIGTERM, at once at a second one, and without harm at kill -9. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { startImageServer } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { rawRequest } from '../support/raw-request.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { until } from '../support/wait-for.ts';
import { startServing, type ServingProcess } from './mirror-process.ts';

async function places(t: TestContext): Promise<{ cwd: string; dir: string }> {
  const cwd = await makeTempDir(t);
  return { cwd, dir: path.join(cwd, 'cache') };
}

/** Resolves when the mirror takes no connections any more. */
async function untilDeaf({ port }: ServingProcess): Promise<void> {
  await until(async () => {
    await assert.rejects(rawRequest({ port, path: '/ping', deadlineMs: 1_000 }));
    return true;
  });
}

test('at SIGTERM a running response is finished, no new one begun, and the exit code is 0', async (t) => {
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
  await untilDeaf(mirror);
  upstream.behaviour = {};
  const answer = await running;
  assert.ok(answer.endedCleanly);
  assert.equal(answer.sha1, image.files[0]?.sha1);
  assert.equal(await mirror.ended, 0);
  assert.ok(mirror.log().some(({ msg, signal }) => msg === 'stopping' && signal === 'SIGTERM'));
  assert.equal(mirror.log().at(-1)?.['msg'], 'stopped');
  assert.ok(mirror.log().some(({ msg, bodyBytes }) => msg === 'response finished' && bodyBytes === 400_000));
});

test('a response that takes longer than drainTimeout is broken off, never ended short as if it were whole', async (t) => {
  const image = makeImage({ size: 400_000 });
  await using upstream = await startImageServer({ images: [image], behaviour: { stallAfterBytes: 200_000 } });
  const env = { IMGAPI_MIRROR_LISTEN_DRAIN_TIMEOUT: '300ms' };
  const mirror = await startServing(t, { ...(await places(t)), upstreams: [upstream.url], env });
  let seen = 0;
  const running = rawRequest({
    port: mirror.port,
    path: `/images/${image.uuid}/file`,
    onProgress: (bytes) => (seen = bytes),
  });
  await until(() => seen > 0);
  mirror.child.kill('SIGTERM');
  assert.equal((await running).endedCleanly, false);
  assert.equal(await mirror.ended, 0);
});

test('what had come of a file at SIGTERM is kept, with a note of whose bytes they are', async (t) => {
  const SIZE = 3_000_000;
  const image = makeImage({ size: SIZE });
  const [file] = image.files;
  assert.ok(file);
  await using upstream = await startImageServer({ images: [image], behaviour: { stallAfterBytes: 2_000_000 } });
  const env = { IMGAPI_MIRROR_LISTEN_DRAIN_TIMEOUT: '300ms' };
  const { cwd, dir } = await places(t);
  const mirror = await startServing(t, { cwd, dir, upstreams: [`up=${upstream.url}`], env });
  const partial = path.join(dir, 'partial', file.sha1);
  const running = rawRequest({ port: mirror.port, path: `/images/${image.uuid}/file` });
  await until(() => statSync(partial, { throwIfNoEntry: false })?.size === 2_000_000);
  mirror.child.kill('SIGTERM');
  assert.equal((await running).endedCleanly, false);
  assert.equal(await mirror.ended, 0);
  const left = readFileSync(partial);
  assert.ok(left.equals(file.bytes().subarray(0, left.length)), 'the bytes as far as they came');
  assert.equal(left.length, 2_000_000);
  const note: unknown = JSON.parse(readFileSync(`${partial}.note`, 'utf8'));
  assert.partialDeepStrictEqual(note, {
    contentMd5: file.md5,
    upstreams: ['up'],
    validators: [{ upstream: 'up', index: 0, etag: file.sha1 }],
  });
});

test('a second signal ends it at once, with exit code 1', async (t) => {
  const image = makeImage({ size: 400_000 });
  await using upstream = await startImageServer({ images: [image], behaviour: { stallAfterBytes: 200_000 } });
  const mirror = await startServing(t, { ...(await places(t)), upstreams: [upstream.url] });
  let seen = 0;
  const running = rawRequest({
    port: mirror.port,
    path: `/images/${image.uuid}/file`,
    onProgress: (bytes) => (seen = bytes),
  });
  await until(() => seen > 0);
  mirror.child.kill('SIGTERM');
  await untilDeaf(mirror);
  mirror.child.kill('SIGTERM');
  assert.equal(await mirror.ended, 1);
  assert.equal((await running).endedCleanly, false);
});

test('an idle connection of a client does not hold it up', async (t) => {
  const mirror = await startServing(t, { ...(await places(t)), upstreams: ['http://127.0.0.1:1'] });
  const answer = await fetch(`${mirror.url}/ping`);
  await answer.text();
  mirror.child.kill('SIGTERM');
  assert.equal(await mirror.ended, 0);
});

test('after kill -9 amid a download it starts at once on the same directory and serves what was stored', async (t) => {
  const [stored, cut] = [makeImage({ name: 'stored', size: 300_000 }), makeImage({ name: 'cut', size: 3_000_000 })];
  await using upstream = await startImageServer({ images: [stored, cut] });
  const { cwd, dir } = await places(t);
  const killed = await startServing(t, { cwd, dir, upstreams: [upstream.url] });
  const [file, cutFile] = [stored.files[0], cut.files[0]];
  assert.ok(file && cutFile);
  assert.equal(
    (await rawRequest({ port: killed.port, path: `/images/${stored.uuid}/file`, hash: true })).sha1,
    file.sha1,
  );
  await until(() => existsSync(path.join(dir, 'manifests', `${stored.uuid}.json`)));
  upstream.behaviour = { stallAfterBytes: 1_000_000 };
  let seen = 0;
  const broken = rawRequest({
    port: killed.port,
    path: `/images/${cut.uuid}/file`,
    onProgress: (bytes) => (seen = bytes),
  });
  await until(() => seen > 0);
  killed.child.kill('SIGKILL');
  assert.equal(await killed.ended, 'SIGKILL');
  assert.equal((await broken).endedCleanly, false);
  assert.ok(existsSync(path.join(dir, 'serving.json')), 'it had no time to tidy up');

  await upstream.stop();
  const mirror = await startServing(t, { cwd, dir, upstreams: [upstream.url] });
  const hit = await rawRequest({ port: mirror.port, path: `/images/${stored.uuid}/file`, hash: true });
  assert.deepEqual([hit.status, hit.headers['x-cache'], hit.sha1], [200, 'HIT', file.sha1]);
  const list = await rawRequest({ port: mirror.port, path: '/images' });
  assert.deepEqual([list.status, list.headers['x-cache']], [200, 'STALE']);
  const gone = await rawRequest({ port: mirror.port, path: `/images/${cut.uuid}/file` });
  assert.equal(gone.status, 503, 'what had come of the file it was killed in is no blob');

  upstream.behaviour = {};
  await upstream.restart();
  await until(async () => {
    const again = await rawRequest({ port: mirror.port, path: `/images/${cut.uuid}/file`, hash: true });
    return again.sha1 === cutFile.sha1;
  });
  await until(() => readdirSync(path.join(dir, 'partial')).length === 0);
});
