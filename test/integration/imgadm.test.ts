import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { startImageServer } from '../support/image-server.ts';
import { makeCatalog, makeImage, type TestImage } from '../support/images.ts';
import { createImgadmClient, type ImgadmClient } from '../support/imgadm-client.ts';
import { startMirror, type TestMirror } from '../support/mirror.ts';
import { until } from '../support/wait-for.ts';
import { createAsk, uuidsOf } from './ask.ts';

/** Counts the connections a mirror accepts from now on. */
function countSockets(mirror: TestMirror): { readonly opened: () => number } {
  let opened = 0;
  mirror.app.server.server.on('connection', (_socket: Socket) => {
    opened += 1;
  });
  return { opened: () => opened };
}

/** A row of images, each the origin of the next, oldest first; the ancestors are disabled, as on real servers. */
function makeChain(length: number, size: number, seed = 'chain'): TestImage[] {
  const chain: TestImage[] = [];
  for (let at = 0; at < length; at += 1) {
    const origin = chain.at(-1);
    const state = at === length - 1 ? 'active' : 'disabled';
    chain.push(makeImage({ seed: `${seed}/${at}`, name: `${seed}-${at}`, size, state, ...(origin && { origin }) }));
  }
  return chain;
}

/** ms since the epoch; a time without a zone is UTC. */
function timeOf(image: Readonly<Record<string, unknown>>): number {
  const text = String(image['published_at']);
  return Date.parse(text.endsWith('Z') ? text : `${text}Z`);
}

function clientOf(t: { after(close: () => void): void }, url: string, more: object = {}): ImgadmClient {
  const imgadm = createImgadmClient({ url, ...more });
  t.after(() => imgadm.close());
  return imgadm;
}

test('avail over two upstreams of 2,500 images with ties lists every image exactly once, in order', async (t) => {
  const catalogs = [makeCatalog(2_500, { seed: 'one' }), makeCatalog(2_500, { seed: 'two' })] as const;
  await using one = await startImageServer({ images: catalogs[0] });
  await using two = await startImageServer({ images: catalogs[1], behaviour: { listCap: 1_000 } });
  const mirror = await startMirror(t, { upstreams: [one.url, two.url] });
  const byUuid = new Map([...catalogs[1], ...catalogs[0]].map((image) => [image.uuid as string, image.manifest]));

  const { outcome, images, pages } = await clientOf(t, mirror.url).avail();
  assert.equal(outcome, 'listed');
  assert.ok(pages > 1, 'it went on paging, and came to an end');
  const uuids = images.map(({ uuid }) => String(uuid));
  assert.equal(new Set(uuids).size, uuids.length, 'none twice');
  assert.deepEqual(uuids.toSorted(), [...byUuid.keys()].toSorted(), 'none lost');
  for (const image of images) assert.deepEqual(image, byUuid.get(String(image['uuid'])));
  const times = images.map((image) => timeOf(image));
  assert.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
  );

  await t.test('page by page of 1000 with an inclusive marker, it is the same list', async () => {
    const seen: string[] = [];
    const ask = createAsk(mirror);
    for (let marker = '', pageCount = 0; pageCount < 10; pageCount += 1) {
      const page = uuidsOf(await ask(`/images?limit=1000&marker=${marker}`));
      if (page[0] === marker) page.shift();
      if (page.length === 0) break;
      seen.push(...page);
      marker = page.at(-1)!;
    }
    assert.deepEqual(seen, uuids);
  });
});

test('a source is accepted, shown and imported with all its origins, five files at a time', async (t) => {
  const chain = makeChain(8, 400_000);
  const child = chain.at(-1)!;
  await using upstream = await startImageServer({ images: chain, behaviour: { rateBytesPerSecond: 12_000_000 } });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const sockets = countSockets(mirror);
  const imgadm = clientOf(t, mirror.url);

  assert.equal((await imgadm.ping()).isAccepted, true);
  assert.deepEqual(await imgadm.show(child.uuid), child.manifest);
  const { manifests, files } = await imgadm.importImage(child.uuid);
  assert.deepEqual(
    manifests.map(({ uuid }) => uuid),
    chain.map(({ uuid }) => uuid).toReversed(),
  );
  assert.equal(files.length, 8);
  for (const file of files) {
    assert.equal(file.headers['x-cache'], 'MISS');
    assert.equal(file.headers['x-request-id'], imgadm.requestId);
  }
  assert.equal(upstream.countOf('file'), 8);
  assert.equal(upstream.bytesSent, 8 * 400_000);
  assert.ok(sockets.opened() <= 5, `${sockets.opened()} connections`);

  await t.test('the second host costs the upstream nothing', async () => {
    await until(() => [...mirror.app.downloads.running].length === 0);
    upstream.forget();
    const { files: again } = await clientOf(t, mirror.url).importImage(child.uuid);
    for (const file of again) assert.equal(file.headers['x-cache'], 'HIT');
    assert.deepEqual(upstream.requests, []);
  });

  await t.test('connections are kept: a run of many commands opens no more than five', async () => {
    const counted = countSockets(mirror);
    const busy = clientOf(t, mirror.url);
    for (let times = 0; times < 10; times += 1) await busy.show(child.uuid);
    assert.equal(counted.opened(), 1);
    await busy.importImage(child.uuid);
    await busy.avail();
    assert.ok(counted.opened() <= 5, `${counted.opened()} connections`);
  });

  await t.test('what is installed is not fetched', async () => {
    const partly = clientOf(t, mirror.url);
    for (const { uuid } of chain.slice(0, 7)) partly.installed.add(uuid);
    assert.equal((await partly.importImage(child.uuid)).files.length, 1);
  });
});

test('many hosts that import one image at the same instant cost one fetch of each file', async (t) => {
  const chain = makeChain(5, 1_000_000, 'herd');
  await using upstream = await startImageServer({ images: chain, behaviour: { rateBytesPerSecond: 10_000_000 } });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const hosts = Array.from({ length: 4 }, () => clientOf(t, mirror.url));
  const results = await Promise.all(hosts.map(async (host) => host.importImage(chain.at(-1)!.uuid)));
  for (const { files } of results) assert.equal(files.length, 5);
  assert.equal(upstream.countOf('file'), 5);
  assert.equal(upstream.bytesSent, 5_000_000);
  const caches = results.flatMap(({ files }) => files.map((file) => file.headers['x-cache']));
  assert.equal(caches.filter((cache) => cache === 'MISS').length, 5);
});

test('a run over everything: absolute-form targets, a base path is the upstream’s business, channels', async (t) => {
  const image = makeImage({ size: 5_000, channels: ['dev'] });
  const channels = [{ name: 'release', default: true }, { name: 'dev' }];
  await using upstream = await startImageServer({ images: [image], channels, basePath: '/deep' });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const dev = clientOf(t, `${mirror.url}?channel=dev`, { absoluteForm: true });
  assert.equal((await dev.ping()).isAccepted, true);
  assert.deepEqual((await dev.avail()).images, [image.manifest]);
  assert.equal((await dev.importImage(image.uuid)).files.length, 1);
  const plain = clientOf(t, mirror.url);
  assert.deepEqual((await plain.avail()).images, []);
  assert.equal(await plain.show(image.uuid), undefined);
  await assert.rejects(clientOf(t, `${mirror.url}?channel=none`).avail(), { code: 'ValidationFailed', status: 422 });
});

test('update sees what changed upstream, and only that', async (t) => {
  const same = makeImage({ name: 'same', size: 900 });
  const changing = makeImage({ name: 'changing', size: 900 });
  const leaving = makeImage({ name: 'leaving', size: 900 });
  const fourth = makeImage({ name: 'fourth', size: 900 });
  await using upstream = await startImageServer({ images: [same, changing, leaving, fourth] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const imgadm = clientOf(t, mirror.url);
  const all = [same, changing, leaving];
  for (const { uuid } of all) await imgadm.show(uuid);
  const outcomes = async (): Promise<unknown[]> =>
    (await imgadm.update(all.map(({ uuid }) => uuid))).map(({ outcome, changedFields }) => [outcome, changedFields]);
  assert.deepEqual(await outcomes(), [
    ['same', []],
    ['same', []],
    ['same', []],
  ]);
  upstream.images.add({ ...changing, manifest: { ...changing.manifest, description: 'Anders', homepage: 'x' } });
  upstream.images.remove(leaving.uuid);
  await mirror.app.catalog.refresh();
  assert.deepEqual(await outcomes(), [
    ['same', []],
    ['changed', ['description', 'homepage']],
    ['unknown', []],
  ]);
});

test('an import of what the mirror cannot have fails with a reason, not with an empty success', async (t) => {
  const image = makeImage({ size: 5_000 });
  const orphan = makeImage({ name: 'orphan', size: 900, origin: '99999999-0000-4000-8000-000000000000' });
  const disabled = makeImage({ name: 'disabled', state: 'disabled', size: 900 });
  await using upstream = await startImageServer({ images: [image, orphan, disabled] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const imgadm = clientOf(t, mirror.url);
  await assert.rejects(imgadm.importImage(orphan.uuid), { code: 'OriginNotFound' });
  await assert.rejects(imgadm.importImage(disabled.uuid), { code: 'NotActive' });
  await assert.rejects(imgadm.importImage('99999999-1111-4000-8000-000000000000'), { code: 'NotFound' });
  upstream.behaviour = { status: 500 };
  await assert.rejects(imgadm.importImage(image.uuid), { code: 'UpstreamUnavailable', status: 503 });
  await assert.rejects(imgadm.show('99999999-2222-4000-8000-000000000000'), { code: 'ServiceUnavailableError' });
});
