/** Issue 2, item 6: what survives a restart, with every upstream down and without the records. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { startImageServer, type ImageServer } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { startMirror, type MirrorOptions, type TestMirror } from '../support/mirror.ts';
import { until } from '../support/wait-for.ts';
import { assertError, createAsk, uuidsOf, type Ask } from './ask.ts';

const cached = makeImage({ name: 'cached', size: 150_000, icon: true, publishedAt: '2020-01-01T00:00:00.000Z' });
const listed = makeImage({ name: 'listed', size: 1_000, publishedAt: '2021-01-01T00:00:00.000Z' });
const disabled = makeImage({ name: 'disabled', size: 1_000, state: 'disabled' });
const UNKNOWN = '99999999-1111-4111-8111-111111111111';
const unavailable = { status: 503, code: 'ServiceUnavailableError', message: /up0/ } as const;

/** A mirror that has fetched the file and the icon of `cached`, and looked up `disabled`; then it was closed. */
async function warmed(
  t: TestContext,
  upstream: ImageServer,
  options: Partial<MirrorOptions> = {},
): Promise<TestMirror> {
  const mirror = await startMirror(t, { upstreams: [upstream.url], ...options });
  const ask = createAsk(mirror);
  for (const target of [`${cached.uuid}/file`, `${cached.uuid}/icon`, cached.uuid, disabled.uuid]) {
    assert.equal((await ask(`/images/${target}`)).status, 200);
  }
  await until(() => existsSync(path.join(mirror.dir, 'manifests', `${cached.uuid}.json`)));
  await mirror.close();
  return mirror;
}

async function restarted(t: TestContext, dir: string, upstream: ImageServer, options: Partial<MirrorOptions> = {}) {
  const mirror = await startMirror(t, { upstreams: [upstream.url], ...options, dir });
  return { mirror, ask: createAsk(mirror) };
}

async function assertCachedIsServed(ask: Ask): Promise<void> {
  const manifest = await ask(`/images/${cached.uuid}`);
  assert.deepEqual([manifest.status, manifest.headers['x-cache'], manifest.json], [200, 'STALE', cached.manifest]);
  const file = await ask(`/images/${cached.uuid}/file`, { hash: true });
  assert.deepEqual([file.status, file.headers['x-cache'], file.sha1], [200, 'HIT', cached.files[0]?.sha1]);
  assert.equal(file.headers['content-md5'], cached.files[0]?.md5);
  const icon = await ask(`/images/${cached.uuid}/icon`);
  assert.deepEqual([icon.status, icon.headers['x-cache'], icon.body], [200, 'HIT', cached.icon?.bytes]);
}

test('with every upstream down all that was cached is listed and served; the rest is 503, not 404', async (t) => {
  await using upstream = await startImageServer({ images: [cached, listed, disabled] });
  const { dir } = await warmed(t, upstream);
  await upstream.stop();
  const { ask } = await restarted(t, dir, upstream);
  const list = await ask('/images');
  assert.deepEqual([list.status, list.headers['x-cache']], [200, 'STALE']);
  assert.deepEqual(uuidsOf(list), [cached.uuid, listed.uuid]);
  const age = Number(list.headers['age']);
  assert.ok(age >= 0 && age < 60, `Age: ${list.headers['age']}`);
  await assertCachedIsServed(ask);
  const lookedUp = await ask(`/images/${disabled.uuid}`);
  assert.deepEqual([lookedUp.status, lookedUp.json], [200, disabled.manifest]);
  const never = await ask(`/images/${listed.uuid}/file`);
  assertError(never, { status: 503, code: 'UpstreamUnavailable', message: /up0/ });
  assertError(await ask(`/images/${UNKNOWN}`), unavailable);
  assertError(await ask(`/images/${UNKNOWN}/file`), unavailable);
  assertError(await ask(`/images?marker=${UNKNOWN}`), unavailable);
  assert.equal((await ask(`/images/${listed.uuid}/icon`)).status, 404, 'its manifest says that it has none');
});

test('a mirror that was restarted while its upstream was down heals by itself', async (t) => {
  await using upstream = await startImageServer({ images: [cached, listed, disabled] });
  const { dir } = await warmed(t, upstream);
  await upstream.stop();
  const { ask, mirror } = await restarted(t, dir, upstream, { catalog: { refreshEvery: 100 } });
  assert.equal((await ask('/images')).headers['x-cache'], 'STALE');
  await upstream.restart();
  await until(async () => (await ask('/images')).headers['x-cache'] === 'HIT');
  assert.equal((await ask(`/images/${listed.uuid}/file`)).headers['x-cache'], 'MISS');
  assert.equal(await mirror.metric('imgapi_mirror_upstream_up{upstream="up0"}'), 1);
});

for (const [what, spoil] of [
  ['deleted', async (file: string) => rm(file)],
  [
    'overwritten with junk',
    async (file: string) => writeFile(file, 'this is no database, but it is long enough'.repeat(50)),
  ],
] as const) {
  test(`with the records ${what} what is cached is listed and served all the same`, async (t) => {
    await using upstream = await startImageServer({ images: [cached, listed, disabled] });
    const { dir } = await warmed(t, upstream);
    for (const name of readdirSync(dir).filter((entry) => entry.startsWith('records.sqlite-'))) {
      await rm(path.join(dir, name));
    }
    await spoil(path.join(dir, 'records.sqlite'));
    await upstream.stop();
    const { ask } = await restarted(t, dir, upstream);
    const list = await ask('/images');
    assert.deepEqual([list.status, list.headers['x-cache'], uuidsOf(list)], [200, 'STALE', [cached.uuid]]);
    const age = Number(list.headers['age']);
    assert.ok(age >= 0 && age < 60, `Age: ${list.headers['age']}`);
    await assertCachedIsServed(ask);
    assertError(await ask(`/images/${listed.uuid}`), unavailable);
  });
}

test('an image that its upstream has dropped leaves the list and is still served by its uuid, after a restart too', async (t) => {
  await using upstream = await startImageServer({ images: [cached, listed, disabled] });
  const { dir } = await warmed(t, upstream);
  upstream.images.remove(cached.uuid);
  for (let runs = 0; runs < 2; runs++) {
    const { ask, mirror } = await restarted(t, dir, upstream);
    await mirror.app.catalog.refresh();
    assert.deepEqual(uuidsOf(await ask('/images')), [listed.uuid]);
    await assertCachedIsServed(ask);
    await mirror.close();
  }
});

test('what is stored is counted again after a restart', async (t) => {
  await using upstream = await startImageServer({ images: [cached, listed, disabled] });
  const { dir } = await warmed(t, upstream);
  const { mirror } = await restarted(t, dir, upstream);
  await until(async () => (await mirror.metric('imgapi_mirror_blobs')) === 2);
  const bytes = 150_000 + (cached.icon?.bytes.length ?? 0);
  assert.equal(await mirror.metric('imgapi_mirror_blob_bytes'), bytes);
});

test('what an interrupted download left behind is no blob, and does not stand in the way of the next one', async (t) => {
  await using upstream = await startImageServer({ images: [cached, listed] });
  const [file] = listed.files;
  assert.ok(file);
  const first = await startMirror(t, { upstreams: [upstream.url] });
  await first.close();
  await writeFile(path.join(first.dir, 'partial', file.sha1), file.read(0, 500));
  const { ask, mirror } = await restarted(t, first.dir, upstream);
  const answer = await ask(`/images/${listed.uuid}/file`, { hash: true });
  assert.deepEqual([answer.headers['x-cache'], answer.sha1], ['MISS', file.sha1]);
  await until(() => readdirSync(path.join(mirror.dir, 'partial')).length === 0);
});

test('a stored file that was cut on disk is not served short: it is fetched again', async (t) => {
  await using upstream = await startImageServer({ images: [cached, listed, disabled] });
  const { dir } = await warmed(t, upstream);
  const [file] = cached.files;
  assert.ok(file);
  await writeFile(path.join(dir, 'blobs/sha1', file.sha1.slice(0, 2), file.sha1), file.read(0, 100_000));
  const { ask } = await restarted(t, dir, upstream);
  const answer = await ask(`/images/${cached.uuid}/file`, { hash: true });
  assert.deepEqual([answer.status, answer.headers['x-cache'], answer.sha1], [200, 'MISS', file.sha1]);
});
