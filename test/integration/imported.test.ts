/** Imported images: an upstream of their own, last in precedence, which no refresh touches. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { cp, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { startImageServer } from '../support/image-server.ts';
import { makeImage, type TestImage } from '../support/images.ts';
import { startMirror, type TestMirror } from '../support/mirror.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { until } from '../support/wait-for.ts';
import { createAsk, fieldsOf, namesOf } from './ask.ts';

const carried = makeImage({ name: 'carried', size: 2_000, publishedAt: '2020-01-01T00:00:00Z' });
const origin = makeImage({ name: 'origin', size: 2_000, state: 'disabled' });
const own = makeImage({ name: 'own', size: 2_000, publishedAt: '2020-01-02T00:00:00Z' });
const released = makeImage({
  name: 'released',
  size: 2_000,
  channels: ['release'],
  publishedAt: '2020-01-03T00:00:00Z',
});
const developed = makeImage({ name: 'developed', size: 2_000, channels: ['dev'], publishedAt: '2020-01-04T00:00:00Z' });

/** What an import leaves on disk: the blobs, and manifests kept for `imported`. */
async function importInto(t: TestContext, dir: string, images: readonly TestImage[]): Promise<void> {
  await using source = await startImageServer({ images });
  const mirror = await startMirror(t, { upstreams: [source.url], dir: path.join(await makeTempDir(t), 'source') });
  const ask = createAsk(mirror);
  const manifests = path.join(mirror.dir, 'manifests');
  for (const { uuid } of images) {
    assert.equal((await ask(`/images/${uuid}/file?channel=*`)).status, 200);
    await until(() => existsSync(path.join(manifests, `${uuid}.json`)));
  }
  await mirror.close();
  await cp(path.join(mirror.dir, 'blobs'), path.join(dir, 'blobs'), { recursive: true });
  for (const name of await readdir(manifests)) {
    const kept = fieldsOf(JSON.parse(readFileSync(path.join(manifests, name), 'utf8')));
    await writeFile(path.join(dir, 'manifests', name), JSON.stringify({ ...kept, upstream: 'imported' }));
  }
}

async function assertServed(mirror: TestMirror, image: TestImage): Promise<void> {
  const ask = createAsk(mirror);
  assert.deepEqual((await ask(`/images/${image.uuid}`)).json, image.manifest);
  const file = await ask(`/images/${image.uuid}/file`, { hash: true });
  assert.deepEqual([file.status, file.headers['x-cache'], file.sha1], [200, 'HIT', image.files[0]?.sha1]);
}

test('what was imported is listed at once, beside the upstreams’ images, and stays over refreshes and restarts', async (t) => {
  await using upstream = await startImageServer({ images: [own] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const ask = createAsk(mirror);
  assert.deepEqual(namesOf(await ask('/images')), ['own']);
  await importInto(t, mirror.dir, [carried, origin]);
  await mirror.app.catalog.noteImported();
  const list = await ask('/images');
  assert.deepEqual([list.headers['x-cache'], namesOf(list)], ['HIT', ['carried', 'own']]);
  await mirror.app.catalog.refresh();
  assert.deepEqual(namesOf(await ask('/images')), ['carried', 'own']);
  for (const image of [carried, origin]) await assertServed(mirror, image);
  await mirror.close();
  await upstream.stop();
  for (const offline of [false, true]) {
    const again = await startMirror(t, { upstreams: [upstream.url], dir: mirror.dir, offline });
    assert.deepEqual(namesOf(await createAsk(again)('/images')), ['carried', 'own']);
    for (const image of [carried, origin]) await assertServed(again, image);
    await again.close();
  }
});

test('an image that an upstream lists too is the upstream’s, and stays when the upstream drops it', async (t) => {
  const theirs = { ...carried, manifest: { ...carried.manifest, description: 'as the upstream has it' } };
  await using upstream = await startImageServer({ images: [theirs, own] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const ask = createAsk(mirror);
  await importInto(t, mirror.dir, [carried]);
  await mirror.app.catalog.noteImported();
  assert.equal(fieldsOf((await ask(`/images/${carried.uuid}`)).json)['description'], 'as the upstream has it');
  assert.equal((await ask(`/images/${carried.uuid}/file`)).headers['x-cache'], 'HIT');
  upstream.images.remove(carried.uuid);
  await mirror.app.catalog.refresh();
  assert.deepEqual(namesOf(await ask('/images')), ['carried', 'own']);
  await mirror.close();
  const again = await startMirror(t, { upstreams: [upstream.url], dir: mirror.dir });
  assert.deepEqual(
    namesOf(await createAsk(again)('/images')),
    ['carried', 'own'],
    'though the upstream served it meanwhile',
  );
});

test('one that an upstream takes up later, and drops again, is still an imported one', async (t) => {
  await using upstream = await startImageServer({ images: [own] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  await importInto(t, mirror.dir, [carried]);
  await mirror.app.catalog.noteImported();
  upstream.images.add(carried);
  await mirror.app.catalog.refresh();
  // What has changed of it is written by then.
  await mirror.close();
  upstream.images.remove(carried.uuid);
  const again = await startMirror(t, { upstreams: [upstream.url], dir: mirror.dir });
  await again.app.catalog.refresh();
  assert.deepEqual(namesOf(await createAsk(again)('/images')), ['carried', 'own']);
});

test('one of which a change was accepted is its upstream’s: what was imported does not contradict it', async (t) => {
  await using upstream = await startImageServer({ images: [own] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  await importInto(t, mirror.dir, [carried]);
  await mirror.app.catalog.noteImported();
  const changed = makeImage({ uuid: carried.uuid, name: 'carried', size: 2_000, contentSeed: 'changed' });
  upstream.images.add(changed);
  await mirror.app.catalog.refresh();
  await assertServed(mirror, carried);
  await mirror.app.trust.accept(carried.uuid);
  assert.deepEqual(mirror.app.trust.conflicts(), []);
  await mirror.close();
  const again = await startMirror(t, { upstreams: [upstream.url], dir: mirror.dir });
  await again.app.catalog.refresh();
  assert.deepEqual(again.app.trust.conflicts(), []);
  assert.deepEqual((await createAsk(again)(`/images/${carried.uuid}`)).json, changed.manifest);
});

test('a mirror that never had an upstream’s list lists what was imported, in whatever channel', async (t) => {
  const dir = path.join(await makeTempDir(t), 'cache');
  await (await startMirror(t, { upstreams: ['http://images.invalid'], dir, offline: true })).close();
  await importInto(t, dir, [carried, released, developed]);
  const mirror = await startMirror(t, { upstreams: ['http://images.invalid'], dir, offline: true });
  const ask = createAsk(mirror);
  for (const query of ['', '?channel=*', '?channel=dev']) {
    assert.deepEqual(namesOf(await ask(`/images${query}`)), ['carried', 'released', 'developed'], query);
  }
});

test('beside an upstream with channels an imported image is in those its manifest names, or in all', async (t) => {
  const channels = [{ name: 'release', default: true }, { name: 'dev' }] as const;
  await using upstream = await startImageServer({ images: [], channels });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const ask = createAsk(mirror);
  await importInto(t, mirror.dir, [carried, released, developed]);
  await mirror.app.catalog.noteImported();
  const list = async (query: string): Promise<string[]> => namesOf(await ask(`/images${query}`));
  assert.deepEqual(await list(''), ['carried', 'released']);
  assert.deepEqual(await list('?channel=release'), ['carried', 'released']);
  assert.deepEqual(await list('?channel=dev'), ['carried', 'developed']);
  assert.deepEqual(await list('?channel=*'), ['carried', 'released', 'developed']);
});

test('one whose manifest is not kept any more leaves the lists', async (t) => {
  await using upstream = await startImageServer({ images: [own] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  await importInto(t, mirror.dir, [carried]);
  await mirror.app.catalog.noteImported();
  const known = mirror.app.catalog.peek(undefined)?.snapshot.entries.find(({ upstream: name }) => name === 'imported');
  assert.equal(known?.manifest.uuid, carried.uuid);
  if (known !== undefined) mirror.app.catalog.noteForgotten(known.manifest.uuid);
  assert.deepEqual(namesOf(await createAsk(mirror)('/images')), ['own']);
});
