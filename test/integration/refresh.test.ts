import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { startImageServer, type ImageServer, type ListMode } from '../support/image-server.ts';
import { makeCatalog, makeImage, type TestImage } from '../support/images.ts';
import { startMirror, type MirrorOptions } from '../support/mirror.ts';
import { until } from '../support/wait-for.ts';
import { createAsk, namesOf, uuidsOf } from './ask.ts';

interface Bench {
  readonly upstream: ImageServer;
  readonly refresh: () => Promise<void>;
  /** Images listed, and what X-Cache says of them. */
  readonly look: () => Promise<readonly [images: number, cache: unknown]>;
  /** Makes these the upstream's only images. */
  readonly holdOnly: (images: readonly TestImage[]) => void;
}

async function startBench(
  t: TestContext,
  images: readonly TestImage[],
  options: Partial<MirrorOptions> = {},
): Promise<Bench> {
  const upstream = await startImageServer({ images });
  t.after(() => upstream.close());
  const mirror = await startMirror(t, { upstreams: [upstream.url], ...options });
  const ask = createAsk(mirror);
  return {
    upstream,
    refresh: () => mirror.app.catalog.refresh(),
    async look() {
      const answer = await ask('/images');
      return [uuidsOf(answer).length, answer.headers['x-cache']];
    },
    holdOnly(wanted) {
      for (const { uuid } of upstream.images.all()) upstream.images.remove(uuid);
      for (const image of wanted) upstream.images.add(image);
    },
  };
}

test('an upstream with ETags is asked conditionally; its 304 keeps the list and makes it fresh', async (t) => {
  const images = makeCatalog(20);
  const { upstream, refresh, look } = await startBench(t, []);
  upstream.behaviour = { listMode: 'etag' };
  for (const image of images) upstream.images.add(image);
  await refresh();
  assert.deepEqual(await look(), [20, 'HIT']);
  upstream.forget();
  await refresh();
  const list = upstream.requests.find(({ route }) => route === 'list');
  assert.match(String(list?.headers['if-none-match']), /^"[0-9a-f]{40}"$/);
  assert.deepEqual(await look(), [20, 'HIT']);
  assert.equal(upstream.countOf('list'), 1, 'one page, no body');

  upstream.behaviour = { listMode: 'etag', status: 500 };
  await refresh();
  assert.deepEqual(await look(), [20, 'STALE']);
  upstream.behaviour = { listMode: 'etag' };
  await refresh();
  assert.deepEqual(await look(), [20, 'HIT'], 'the 304 after a failure confirms it again');

  upstream.images.add(makeImage({ name: 'new', size: 900 }));
  await refresh();
  assert.deepEqual(await look(), [21, 'HIT']);
});

test('validators survive a restart with the list they belong to', async (t) => {
  await using upstream = await startImageServer({ images: makeCatalog(20), behaviour: { listMode: 'etag' } });
  const before = await startMirror(t, { upstreams: [upstream.url] });
  await before.close();
  upstream.forget();
  const after = await startMirror(t, { upstreams: [upstream.url], dir: before.dir });
  const answer = await until(async () => {
    const list = await createAsk(after)('/images');
    return list.headers['x-cache'] === 'HIT' && list;
  });
  assert.equal(uuidsOf(answer).length, 20);
  assert.match(String(upstream.requests.find(({ route }) => route === 'list')?.headers['if-none-match']), /^"/);
});

test('the catalog is refreshed on its interval', async (t) => {
  const { upstream, look } = await startBench(t, makeCatalog(3), { catalog: { refreshEvery: 100 } });
  assert.equal((await look())[0], 3);
  upstream.images.add(makeImage({ name: 'new', size: 900 }));
  await until(async () => (await look())[0] === 4);
  upstream.behaviour = { status: 500 };
  await until(async () => (await look())[1] === 'STALE');
  upstream.behaviour = {};
  await until(async () => (await look())[1] === 'HIT');
});

test('an upstream with Last-Modified alone is asked conditionally too', async (t) => {
  const { upstream, refresh, look } = await startBench(t, []);
  const date = 'Wed, 01 Jan 2020 00:00:00 GMT';
  upstream.behave = ({ route, headers }) => {
    if (route !== 'list') return undefined;
    return headers['if-modified-since'] === date ? { status: 304, body: '' } : { headers: { 'Last-Modified': date } };
  };
  for (const image of makeCatalog(5)) upstream.images.add(image);
  await refresh();
  upstream.images.add(makeImage({ name: 'not seen: the server says nothing changed', size: 900 }));
  await refresh();
  assert.deepEqual(await look(), [5, 'HIT']);
});

test('a request that has a snapshot never waits for a refresh', async (t) => {
  await using upstream = await startImageServer({ images: makeCatalog(3) });
  // It would hang for a minute.
  const mirror = await startMirror(t, { upstreams: [{ url: upstream.url, stallTimeout: 60_000 }] });
  const ask = createAsk(mirror);
  upstream.behaviour = { hangHeaders: true };
  let isOver = false;
  const running = mirror.app.catalog.refresh().finally(() => {
    isOver = true;
  });
  await until(() => upstream.countOf('channels') > 1, { what: 'the refresh has begun' });
  for (let times = 0; times < 5; times += 1) assert.equal(uuidsOf(await ask('/images')).length, 3);
  assert.equal(isOver, false);
  await upstream.stop();
  await running;
  assert.equal((await ask('/images')).headers['x-cache'], 'STALE');
});

test('a list that is broken in any way changes nothing but X-Cache', async (t) => {
  const { upstream, refresh, look } = await startBench(t, makeCatalog(30), { catalog: { maxBytes: 1024 * 1024 } });
  const modes: ListMode[] = ['truncated', 'cut', 'not-json', 'empty', 'object', 'endless'];
  for (const listMode of modes) {
    upstream.behaviour = { listMode };
    await refresh();
    assert.deepEqual(await look(), [30, 'STALE'], listMode);
    upstream.behaviour = { listMode: 'chunked' };
    await refresh();
    assert.deepEqual(await look(), [30, 'HIT'], `after ${listMode}`);
  }
  for (const behaviour of [{ status: 404 }, { status: 401 }, { redirectTo: '/images' }, { resetHeaders: true }]) {
    upstream.behaviour = behaviour;
    await refresh();
    assert.deepEqual(await look(), [30, 'STALE'], JSON.stringify(behaviour));
  }
});

test('a capped list whose later page fails changes nothing', async (t) => {
  const { upstream, refresh, look } = await startBench(t, makeCatalog(1_300, { oddities: false }));
  upstream.behaviour = { listCap: 1_000 };
  await refresh();
  assert.deepEqual(await look(), [1_300, 'HIT']);
  upstream.behave = ({ query }) => (query.has('marker') ? { status: 500 } : undefined);
  await refresh();
  assert.deepEqual(await look(), [1_300, 'STALE']);
});

test('an empty list where there was one is held back, however often it comes', async (t) => {
  const { refresh, look, holdOnly } = await startBench(t, makeCatalog(10));
  holdOnly([]);
  for (let times = 0; times < 5; times += 1) {
    await refresh();
    assert.deepEqual(await look(), [10, 'STALE']);
  }
  holdOnly(makeCatalog(10));
  await refresh();
  assert.deepEqual(await look(), [10, 'HIT']);
});

test('a list of less than half is taken on its third coming, a list of half at once', async (t) => {
  const images = makeCatalog(40, { oddities: false });
  const { refresh, look, holdOnly } = await startBench(t, images);
  holdOnly(images.slice(0, 20));
  await refresh();
  assert.deepEqual(await look(), [20, 'HIT']);
  holdOnly(images.slice(0, 9));
  await refresh();
  assert.deepEqual(await look(), [20, 'STALE']);
  await refresh();
  assert.deepEqual(await look(), [20, 'STALE']);
  await refresh();
  assert.deepEqual(await look(), [9, 'HIT']);
});

test('only three in a row count: a good list between, or a failure, begins anew', async (t) => {
  const images = makeCatalog(40, { oddities: false });
  const { upstream, refresh, look, holdOnly } = await startBench(t, images);
  const shrunken = images.slice(0, 9);
  for (const between of ['good', 'failure']) {
    holdOnly(shrunken);
    await refresh();
    await refresh();
    if (between === 'good') holdOnly(images);
    else upstream.behaviour = { status: 500 };
    await refresh();
    holdOnly(shrunken);
    upstream.behaviour = {};
    await refresh();
    await refresh();
    assert.deepEqual(await look(), [40, 'STALE'], between);
    holdOnly(images);
    await refresh();
  }
});

test('empty lists are no sightings of a shrunken one', async (t) => {
  const images = makeCatalog(40, { oddities: false });
  const { refresh, look, holdOnly } = await startBench(t, images);
  holdOnly([]);
  await refresh();
  await refresh();
  holdOnly(images.slice(0, 9));
  await refresh();
  assert.deepEqual(await look(), [40, 'STALE']);
});

test('bad entries do not count: a list that is half rubbish has shrunk', async (t) => {
  const images = makeCatalog(10, { oddities: false });
  const { upstream, refresh, look, holdOnly } = await startBench(t, images);
  holdOnly(images.slice(0, 4));
  upstream.behaviour = { extraEntries: images.slice(4).map(() => ({ uuid: 'rubbish' })) };
  await refresh();
  assert.deepEqual(await look(), [10, 'STALE']);
});

test('a list that is held back or broken does not hide another upstream’s news', async (t) => {
  await using one = await startImageServer({ images: [makeImage({ name: 'one', size: 900 })] });
  await using two = await startImageServer({ images: [makeImage({ name: 'two', size: 900 })] });
  const mirror = await startMirror(t, { upstreams: [one.url, two.url] });
  one.behaviour = { status: 500 };
  two.images.add(makeImage({ name: 'three', size: 900 }));
  await mirror.app.catalog.refresh();
  const answer = await createAsk(mirror)('/images');
  assert.deepEqual(namesOf(answer).toSorted(), ['one', 'three', 'two']);
  assert.equal(answer.headers['x-cache'], 'STALE');
  const held = 'imgapi_mirror_catalog_refreshes_total{upstream="up0",result="failed"}';
  await until(async () => (await mirror.metric(held)) >= 1);
});
