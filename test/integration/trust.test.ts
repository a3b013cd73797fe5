/** Invariant 13: what was first seen of an image stays in force until an operator accepts the change. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { startImageServer, type ImageServer } from '../support/image-server.ts';
import { isImageUuid, type ImageUuid } from '../../src/imgapi/ids.ts';
import { makeImage, type TestImage } from '../support/images.ts';
import { startMirror, type MirrorOptions, type TestMirror } from '../support/mirror.ts';
import { until } from '../support/wait-for.ts';
import { assertError, createAsk, entriesOf, uuidsOf, type Ask } from './ask.ts';

const UUID = imageUuid('13131313-0000-4000-8000-000000000000');
const CONFLICTS = 'imgapi_mirror_catalog_conflicts';
const first = makeImage({
  uuid: UUID,
  name: 'image',
  size: 30_000,
  contentSeed: 'first',
  extra: { zz: { b: 1, a: 2 } },
});
const second = makeImage({ uuid: UUID, name: 'image', size: 30_000, contentSeed: 'second' });
const other = makeImage({ name: 'other', size: 1_000 });

function imageUuid(text: string): ImageUuid {
  assert.ok(isImageUuid(text));
  return text;
}

async function start(t: TestContext, options: MirrorOptions): Promise<{ mirror: TestMirror; ask: Ask }> {
  const mirror = await startMirror(t, options);
  return { mirror, ask: createAsk(mirror) };
}

/** Fetches the file and waits until it is a cached image. */
async function cache({ dir }: TestMirror, ask: Ask, { uuid, files }: TestImage): Promise<void> {
  assert.equal((await ask(`/images/${uuid}/file`, { hash: true })).sha1, files[0]?.sha1);
  await until(() => existsSync(keptFile(dir, uuid)));
}

function keptFile(dir: string, uuid: string): string {
  return path.join(dir, 'manifests', `${uuid}.json`);
}

async function assertManifest(ask: Ask, image: TestImage, query = ''): Promise<void> {
  const v2 = { headers: { 'accept-version': '~2' } };
  assert.equal((await ask(`/images/${UUID}${query}`, v2)).text, JSON.stringify(image.manifest, null, 2));
  const listed = entriesOf(await ask(`/images${query}`, v2)).find(({ uuid }) => uuid === UUID);
  assert.equal(JSON.stringify(listed), JSON.stringify(image.manifest));
}

async function assertFile(ask: Ask, image: TestImage, cacheResult: string): Promise<void> {
  const answer = await ask(`/images/${UUID}/file`, { hash: true });
  assert.deepEqual([answer.status, answer.sha1, answer.headers['x-cache']], [200, image.files[0]?.sha1, cacheResult]);
}

async function assertNoFile(ask: Ask): Promise<void> {
  const message = new RegExp(`imgapi-mirror accept ${UUID}`);
  assertError(await ask(`/images/${UUID}/file`), { status: 503, code: 'TrustConflict', message });
}

/** The upstream says `image` from now on, and the mirror has seen it. */
async function change(upstream: ImageServer, mirror: TestMirror, image: TestImage): Promise<void> {
  // The refresh of a start may be under way, with the list from before: a later one does not share it.
  await mirror.app.catalog.refresh();
  upstream.images.add(image);
  await mirror.app.catalog.refresh();
}

async function loseRecords(dir: string): Promise<void> {
  for (const name of readdirSync(dir)) if (name.startsWith('records.sqlite')) await rm(path.join(dir, name));
}

test('an upstream that changes an image: the first one stays, byte for byte, and is said once', async (t) => {
  await using upstream = await startImageServer({ images: [first, other] });
  const { mirror, ask } = await start(t, { upstreams: [upstream.url] });
  await ask('/images');
  for (let refresh = 0; refresh < 3; refresh += 1) await change(upstream, mirror, second);
  await assertManifest(ask, first);
  const list = await ask('/images');
  const manifests = uuidsOf(list).map((uuid) => (uuid === UUID ? first : other).manifest);
  assert.equal(list.text, JSON.stringify(manifests, null, 2));
  assert.equal(mirror.log.linesOf(/disagrees/).length, 1);
  assert.equal(await mirror.metric(CONFLICTS), 1);

  await t.test('a file that nobody has is 503 with the way out; the other bytes are not even fetched', async () => {
    await assertNoFile(ask);
    assert.equal(upstream.countOf('file'), 0);
    assert.equal((await ask(`/images/${UUID}/file?index=1`)).status, 404);
  });

  await t.test('who lists the remembered SHA-1 is asked, under whatever uuid', async () => {
    await change(upstream, mirror, makeImage({ name: 'twin', size: 30_000, contentSeed: 'first' }));
    await assertFile(ask, first, 'MISS');
  });

  await t.test('when it is taken back the conflict is over', async () => {
    await change(upstream, mirror, first);
    assert.equal(await mirror.metric(CONFLICTS), 0);
    await assertManifest(ask, first);
  });
});

test('a stored file is served on, after restarts with and without upstream and records too', async (t) => {
  await using upstream = await startImageServer({ images: [first, other] });
  const before = await start(t, { upstreams: [upstream.url] });
  await cache(before.mirror, before.ask, first);
  await change(upstream, before.mirror, second);
  await assertFile(before.ask, first, 'HIT');
  const { dir } = before.mirror;
  const conflicts = before.mirror.app.trust.conflicts();
  await before.mirror.close();

  const runs = [
    { what: 'restarted', prepare: async () => upstream.restart() },
    { what: 'restarted offline', prepare: async () => upstream.stop() },
    { what: 'without the records, offline', prepare: async () => loseRecords(dir) },
    {
      what: 'without the records, online',
      async prepare() {
        await loseRecords(dir);
        await upstream.restart();
      },
    },
  ];
  for (const { what, prepare } of runs) {
    await t.test(what, async () => {
      await prepare();
      const { mirror, ask } = await start(t, { upstreams: [upstream.url], dir });
      await mirror.app.catalog.refresh();
      await assertManifest(ask, first);
      await assertFile(ask, first, 'HIT');
      assert.equal(await mirror.metric(CONFLICTS), 1);
      assert.deepEqual(mirror.app.trust.conflicts(), conflicts);
      await mirror.close();
    });
  }
});

test('conflicts of images that are not cached survive a restart offline', async (t) => {
  await using upstream = await startImageServer({ images: [first, other] });
  const before = await start(t, { upstreams: [upstream.url] });
  await before.ask('/images');
  await change(upstream, before.mirror, second);
  const conflicts = before.mirror.app.trust.conflicts();
  await before.mirror.close();
  await upstream.stop();
  const { mirror, ask } = await start(t, { upstreams: [upstream.url], dir: before.mirror.dir });
  assert.deepEqual(mirror.app.trust.conflicts(), conflicts);
  assert.deepEqual(conflicts[0]?.contradictedBy[0]?.files, [{ sha1: second.files[0]?.sha1, size: 30_000 }]);
  await assertManifest(ask, first);
  await assertNoFile(ask);
});

test('what was evicted is remembered all the same', async (t) => {
  const images = ['big', 'bigger'].map((name, n) => makeImage({ name, size: 600_000 + n }));
  await using upstream = await startImageServer({ images: [first, ...images] });
  const { mirror, ask } = await start(t, { upstreams: [upstream.url], cache: { maxBytes: 900_000 } });
  await cache(mirror, ask, first);
  for (const image of images) await cache(mirror, ask, image);
  await until(() => !existsSync(keptFile(mirror.dir, UUID)));
  await mirror.close();
  const after = await start(t, { upstreams: [upstream.url], dir: mirror.dir });
  await change(upstream, after.mirror, second);
  await assertManifest(after.ask, first);
  assert.equal(await after.mirror.metric(CONFLICTS), 1);
});

test('an upstream that is put first by a new configuration does not change an image that was seen', async (t) => {
  await using one = await startImageServer({ images: [first, other] });
  await using two = await startImageServer({ images: [second] });
  const old = { name: 'old', url: one.url };
  const fresh = { name: 'fresh', url: two.url };
  const before = await start(t, { upstreams: [old] });
  await before.ask('/images');
  await before.mirror.close();
  const { mirror, ask } = await start(t, { upstreams: [fresh, old], dir: before.mirror.dir });
  await assertManifest(ask, first);
  await assertFile(ask, first, 'MISS');
  assert.equal(two.countOf('file'), 0);
  assert.equal(await mirror.metric(CONFLICTS), 1);
});

test('an image looked up by its uuid is remembered and judged like a listed one', async (t) => {
  const disabled = makeImage({ uuid: UUID, name: 'image', size: 30_000, contentSeed: 'first', state: 'disabled' });
  const changed = makeImage({ uuid: UUID, name: 'image', size: 30_000, contentSeed: 'second', state: 'disabled' });
  await using upstream = await startImageServer({ images: [disabled, other] });
  const options = { upstreams: [upstream.url], catalog: { refreshEvery: 1 } };
  const before = await start(t, options);
  assert.deepEqual((await before.ask(`/images/${UUID}`)).json, disabled.manifest);
  upstream.images.add(changed);
  for (let run = 0; run < 2; run += 1) {
    const { mirror, ask } = run === 0 ? before : await start(t, { ...options, dir: before.mirror.dir });
    assert.equal((await ask(`/images/${UUID}`)).text, JSON.stringify(disabled.manifest, null, 2));
    await assertNoFile(ask);
    assert.equal(await mirror.metric(CONFLICTS), 1);
    assert.equal(mirror.log.linesOf(/disagrees/).length, run === 0 ? 1 : 0);
    await mirror.close();
  }
});

test('a channel’s list is no way round it', async (t) => {
  const channels = [{ name: 'release', default: true }, { name: 'dev' }] as const;
  const inBoth = { channels: ['dev', 'release'] };
  const released = makeImage({ ...inBoth, uuid: UUID, name: 'image', size: 30_000, contentSeed: 'first' });
  const developed = makeImage({ ...inBoth, uuid: UUID, name: 'image', size: 30_000, contentSeed: 'second' });
  await using upstream = await startImageServer({ images: [released], channels });
  const { mirror, ask } = await start(t, { upstreams: [upstream.url] });
  await ask('/images');
  upstream.images.add(developed);
  await assertManifest(ask, released, '?channel=dev');
  assert.equal(await mirror.metric(CONFLICTS), 1);
});

test('changed words are no conflict: they are passed on', async (t) => {
  await using upstream = await startImageServer({ images: [first] });
  const { mirror, ask } = await start(t, { upstreams: [upstream.url] });
  await ask('/images');
  const reworded = makeImage({ uuid: UUID, name: 'renamed', size: 30_000, contentSeed: 'first' });
  await change(upstream, mirror, reworded);
  await assertManifest(ask, reworded);
  assert.equal(await mirror.metric(CONFLICTS), 0);
});

test('an accepted change is in force at once, and after a restart without the records', async (t) => {
  await using upstream = await startImageServer({ images: [first, other] });
  const { mirror, ask } = await start(t, { upstreams: [upstream.url] });
  await cache(mirror, ask, first);
  await change(upstream, mirror, second);
  await assertManifest(ask, first);
  const { from, to } = await mirror.app.trust.accept(UUID);
  assert.deepEqual([from.sha1, to.sha1], [first.files[0]?.sha1, second.files[0]?.sha1]);
  await assertManifest(ask, second);
  await assertFile(ask, second, 'MISS');
  assert.equal(await mirror.metric(CONFLICTS), 0);
  assert.equal(await mirror.metric('imgapi_mirror_trust_accepted_total'), 1);
  await assert.rejects(mirror.app.trust.accept(UUID), { code: 'NothingSelected' });
  await assert.rejects(mirror.app.trust.accept(other.uuid), { code: 'NothingSelected' });
  await until(() => readFileSync(keptFile(mirror.dir, UUID), 'utf8').includes(String(second.files[0]?.sha1)));
  await mirror.close();
  await loseRecords(mirror.dir);
  upstream.images.add(first);
  const after = await start(t, { upstreams: [upstream.url], dir: mirror.dir });
  await after.mirror.app.catalog.refresh();
  await assertManifest(after.ask, second);
  await assertFile(after.ask, second, 'HIT');
  assert.equal(await after.mirror.metric(CONFLICTS), 1);
});

test('of two upstreams that disagree from the start the first in precedence is remembered, though it is the slower one', async (t) => {
  await using slow = await startImageServer({ images: [first], behaviour: { delayHeadersMs: 150 } });
  await using fast = await startImageServer({ images: [second] });
  const { mirror, ask } = await start(t, { upstreams: [slow.url, fast.url], waitForCatalog: false });
  assert.deepEqual(uuidsOf(await ask('/images')), [UUID]);
  await assertManifest(ask, first);
  assert.equal(await mirror.metric(CONFLICTS), 1);
});
