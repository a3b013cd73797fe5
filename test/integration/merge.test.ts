import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startImageServer } from '../support/image-server.ts';
import { makeCatalog, makeImage } from '../support/images.ts';
import { startMirror, type TestMirror } from '../support/mirror.ts';
import { until } from '../support/wait-for.ts';
import { createAsk, namesOf, uuidsOf } from './ask.ts';

const UUID = '12121212-0000-4000-8000-000000000000';
const day = (number: number): string => `2020-01-0${number}T00:00:00Z`;

async function refreshed(mirror: TestMirror, times: number): Promise<void> {
  for (let done = 0; done < times; done += 1) await mirror.app.catalog.refresh();
}

test('two upstreams that disagree on a SHA-1: the first wins, and it is said once', async (t) => {
  const first = makeImage({ uuid: UUID, name: 'first', size: 3_000 });
  const second = makeImage({ uuid: UUID, name: 'second', size: 4_000, contentSeed: 'other' });
  await using one = await startImageServer({ images: [first] });
  await using two = await startImageServer({ images: [second, makeImage({ name: 'only', size: 900 })] });
  const mirror = await startMirror(t, { upstreams: [one.url, two.url] });
  const ask = createAsk(mirror);
  await refreshed(mirror, 3);
  assert.equal((await ask(`/images/${UUID}`)).text, JSON.stringify(first.manifest, null, 2));
  assert.deepEqual(uuidsOf(await ask('/images')).filter((uuid) => uuid === UUID).length, 1);

  const lines = mirror.log.linesOf(/disagree/);
  assert.equal(lines.length, 1);
  assert.deepEqual(lines[0]?.fields['conflict'], {
    uuid: UUID,
    name: 'second',
    version: '1.0.0',
    remembered: { upstream: 'up0', files: [{ sha1: first.files[0]?.sha1, size: 3_000 }] },
    says: { upstream: 'up1', files: [{ sha1: second.files[0]?.sha1, size: 4_000 }] },
  });
  assert.equal(await mirror.metric('imgapi_mirror_catalog_conflicts'), 1);

  await t.test('the file is the first one’s, or none', async () => {
    one.behave = ({ route }) => (route === 'file' ? { status: 500 } : undefined);
    assert.equal((await ask(`/images/${UUID}/file`)).status, 503);
    assert.equal(two.countOf('file'), 0);
    one.behave = undefined;
    assert.equal((await ask(`/images/${UUID}/file`, { hash: true })).sha1, first.files[0]?.sha1);
  });

  await t.test('a conflict that is over is no longer counted', async () => {
    two.images.add(first);
    await refreshed(mirror, 1);
    assert.equal(await mirror.metric('imgapi_mirror_catalog_conflicts'), 0);
  });
});

test('upstreams that agree on the bytes but not on the words are no conflict: the first one’s words count', async (t) => {
  const first = makeImage({ uuid: UUID, name: 'first', size: 3_000, contentSeed: 'same' });
  const second = makeImage({ uuid: UUID, name: 'second', size: 3_000, contentSeed: 'same', publishedAt: day(9) });
  await using one = await startImageServer({ images: [first] });
  await using two = await startImageServer({ images: [second] });
  const mirror = await startMirror(t, { upstreams: [one.url, two.url] });
  const ask = createAsk(mirror);
  assert.equal((await ask('/images')).text, JSON.stringify([first.manifest], null, 2));
  assert.equal(await mirror.metric('imgapi_mirror_catalog_conflicts'), 0);
  one.behave = ({ route }) => (route === 'file' ? { status: 500 } : undefined);
  assert.equal((await ask(`/images/${UUID}/file`, { hash: true })).sha1, first.files[0]?.sha1);
  assert.equal(two.countOf('file'), 1);
});

test('bad entries are dropped one by one, counted, and each is logged once', async (t) => {
  const good = [
    makeImage({ name: 'a', publishedAt: day(1), size: 900 }),
    makeImage({ name: 'b', publishedAt: day(2) }),
  ];
  const template = makeImage({ name: 'bad' }).manifest;
  const bad = (at: number, fields: object): object => ({
    ...template,
    uuid: `bad00000-0000-4000-8000-0000000000${10 + at}`,
    ...fields,
  });
  const extraEntries = [
    null,
    'text',
    17,
    [],
    {},
    { uuid: UUID },
    ...[
      { uuid: UUID.toUpperCase().replace('1', 'A') },
      { published_at: 1_577_836_800 },
      { published_at: 'yesterday' },
      { published_at: null },
      { files: undefined },
      { files: {} },
      { files: [{ sha1: 'x'.repeat(40), size: 1 }] },
      { files: [{ ...good[0]!.files[0], sha1: good[0]!.files[0]!.sha1, size: '900' }] },
      { type: 'docker' },
      { origin: 7 },
      { name: null },
    ].map((fields, at) => bad(at, fields)),
  ];
  await using upstream = await startImageServer({ images: good, behaviour: { extraEntries } });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const ask = createAsk(mirror);
  await refreshed(mirror, 3);
  const answer = await ask('/images');
  assert.equal(
    answer.text,
    JSON.stringify(
      good.map(({ manifest }) => manifest),
      null,
      2,
    ),
  );
  assert.equal(answer.headers['x-cache'], 'HIT');
  const dropped = 'imgapi_mirror_upstream_list_dropped_entries{upstream="up0"}';
  assert.equal(await mirror.metric(dropped), extraEntries.length);
  const lines = mirror.log
    .linesOf(/bad list entry/)
    .map(({ fields }) => JSON.stringify([fields['uuid'], fields['problem']]));
  assert.equal(new Set(lines).size, lines.length, 'each once');
  assert.equal(lines.length, extraEntries.length);
});

test('one upstream down at the start: the other serves, and the mirror heals by itself', async (t) => {
  const here = makeImage({ name: 'here', publishedAt: day(1), size: 900 });
  const there = makeImage({ name: 'there', publishedAt: day(2), size: 900 });
  await using up = await startImageServer({ images: [here] });
  await using down = await startImageServer({ images: [there] });
  await down.stop();
  const mirror = await startMirror(t, { upstreams: [down.url, up.url], catalog: { refreshEvery: 200 } });
  const ask = createAsk(mirror);
  const answer = await ask('/images');
  assert.deepEqual(namesOf(answer), ['here']);
  assert.equal(answer.headers['x-cache'], 'STALE');
  assert.equal((await ask(`/images/${here.uuid}/file`)).status, 200);
  assert.equal((await ask(`/images/${there.uuid}`)).status, 503);
  assert.equal(await mirror.metric('imgapi_mirror_upstream_up{upstream="up0"}'), 0);
  assert.equal(await mirror.metric('imgapi_mirror_upstream_up{upstream="up1"}'), 1);
  await down.restart();
  const healed = await until(async () => {
    const list = await ask('/images');
    return namesOf(list).length === 2 && list;
  });
  assert.deepEqual(namesOf(healed), ['here', 'there']);
  assert.equal(healed.headers['x-cache'], 'HIT');
});

test('an upstream that is slow at the start does not keep the other’s images from being served by uuid', async (t) => {
  const here = makeImage({ name: 'here', size: 900 });
  await using slow = await startImageServer({ behaviour: { hangHeaders: true } });
  await using up = await startImageServer({ images: [here] });
  const mirror = await startMirror(t, {
    upstreams: [{ url: slow.url, stallTimeout: 1_000 }, up.url],
    waitForCatalog: false,
  });
  const ask = createAsk(mirror);
  assert.equal((await ask(`/images/${here.uuid}`)).status, 200);
  assert.equal((await ask(`/images/${here.uuid}/file`, { hash: true })).sha1, here.files[0]?.sha1);
  assert.deepEqual(namesOf(await ask('/images')), ['here'], 'after the slow one has failed');
});

test('2,500 images of an upstream that gives 1000 at a time are all there, in order, once', async (t) => {
  const images = makeCatalog(2_500);
  await using capped = await startImageServer({ images, behaviour: { listCap: 1_000 } });
  await using whole = await startImageServer({ images: makeCatalog(100, { seed: 'more', oddities: false }) });
  const mirror = await startMirror(t, { upstreams: [capped.url, whole.url] });
  const uuids = uuidsOf(await createAsk(mirror)('/images'));
  assert.equal(new Set(uuids).size, uuids.length);
  assert.equal(uuids.length, 2_600);
  const pages = capped.requests.filter(({ route }) => route === 'list');
  assert.equal(pages.length, 3);
  assert.deepEqual(
    pages.map(({ query }) => query.get('limit')),
    [null, '1000', '1000'],
  );
});

test('upstreams below a path, and with one uuid twice in a list, are merged like any other', async (t) => {
  const twin = makeImage({ uuid: UUID, name: 'twin', publishedAt: day(2), size: 900 });
  const other = makeImage({ name: 'other', publishedAt: day(1), size: 900 });
  await using upstream = await startImageServer({
    images: [twin, other],
    basePath: '/a/b',
    behaviour: { extraEntries: [{ ...twin.manifest, name: 'second' }, { ...twin.manifest }] },
  });
  const ask = createAsk(await startMirror(t, { upstreams: [`${upstream.url}/`] }));
  assert.deepEqual(namesOf(await ask('/images')), ['other', 'twin']);
  assert.equal((await ask(`/images/${UUID}/file`, { hash: true })).sha1, twin.files[0]?.sha1);
  assert.ok(upstream.requests.every(({ url }) => url.startsWith('/a/b/')));
});
