import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { createCatalog, type Catalog } from '../../../src/catalog/catalog.ts';
import {
  catalogBench,
  catalogUpstream,
  imageOf,
  listOf,
  uuidOf,
  type CatalogBench,
  type CatalogUpstream,
} from './fake-catalog.ts';

const DAY_MS = 24 * 60 * 60_000;

interface Bench extends CatalogBench {
  readonly catalog: Catalog;
  /** Has the channels dev and release; image 1 is in dev, image 2 in release. */
  readonly withChannels: CatalogUpstream;
  /** Has none, and image 3. */
  readonly without: CatalogUpstream;
}

async function startBench(t: TestContext, upstreams: 'both' | 'without' = 'both'): Promise<Bench> {
  const bench = catalogBench(t);
  const withChannels = catalogUpstream('chan');
  withChannels.onChannels = () => [{ name: 'dev' }, { name: 'release', default: true }];
  const images = { dev: [imageOf(1)], release: [imageOf(2)], '*': [imageOf(1), imageOf(2)] };
  withChannels.onList = ({ channel }) => listOf(images[channel === 'dev' || channel === '*' ? channel : 'release']);
  const without = catalogUpstream('plain');
  without.onList = () => listOf([imageOf(3)]);
  const catalog = createCatalog(
    {
      ...bench,
      upstreams: upstreams === 'both' ? [withChannels, without] : [without],
      now: () => bench.clock,
      random: () => 0,
    },
    { refreshEveryMs: 3_600_000, firstWaitMs: 60_000 },
  );
  t.after(async () => catalog.close());
  await catalog.start();
  await catalog.refresh();
  return Object.assign(bench, { catalog, withChannels, without });
}

const numbersIn = async ({ catalog }: Bench, channel?: string): Promise<number[]> =>
  (await catalog.view(channel)).snapshot.entries.map(({ manifest }) => Number.parseInt(manifest.uuid, 16));

test('a client that names no channel sees the default one, and the images of upstreams without channels', async (t) => {
  assert.deepEqual(await numbersIn(await startBench(t)), [2, 3]);
});

test('a named channel is fetched when first asked for; star is all of them', async (t) => {
  const bench = await startBench(t);
  assert.deepEqual(await numbersIn(bench, 'dev'), [1, 3]);
  assert.deepEqual(await numbersIn(bench, '*'), [1, 2, 3]);
  assert.deepEqual(
    bench.withChannels.lists.map(({ channel }) => channel),
    [undefined, 'dev', '*'],
  );
});

test('a channel that nobody has is 422, as the real server says it', async (t) => {
  const bench = await startBench(t);
  await assert.rejects(bench.catalog.view('nope'), {
    code: 'ValidationFailed',
    statusCode: 422,
    message: 'unknown channel: nope',
    errors: [{ field: 'channel', code: 'Invalid' }],
  });
  await assert.rejects(bench.catalog.checkChannel('nope'));
  await bench.catalog.checkChannel('*');
});

test('where no upstream has channels every name is the same view, however many are invented', async (t) => {
  const bench = await startBench(t, 'without');
  const { snapshot } = await bench.catalog.view(undefined);
  for (let n = 0; n < 1000; n++) assert.equal((await bench.catalog.view(`channel-${n}`)).snapshot, snapshot);
  assert.equal(bench.without.lists.length, 1);
});

test('all channels are told as one list, and an image of any channel seen so far is known', async (t) => {
  const bench = await startBench(t);
  assert.deepEqual(await bench.catalog.channels(), [{ name: 'dev' }, { name: 'release', default: true }]);
  assert.equal(bench.catalog.knows(uuidOf(1)), false);
  await numbersIn(bench, 'dev');
  assert.equal(bench.catalog.knows(uuidOf(1)), true);
});

test('a channel that is asked for is refreshed with the others; one that nobody has asked for in a day is not', async (t) => {
  const bench = await startBench(t);
  await numbersIn(bench, 'dev');
  bench.withChannels.lists.length = 0;
  await bench.catalog.refresh();
  assert.deepEqual(new Set(bench.withChannels.lists.map(({ channel }) => channel)), new Set([undefined, 'dev']));
  bench.clock += DAY_MS + 1;
  await bench.catalog.refresh();
  bench.withChannels.lists.length = 0;
  await bench.catalog.refresh();
  assert.deepEqual(
    bench.withChannels.lists.map(({ channel }) => channel),
    [undefined],
  );
});

test('a look does not wait and starts nothing: it has what is there', async (t) => {
  const bench = await startBench(t);
  assert.equal(bench.catalog.peek(undefined)?.snapshot.size, 2);
  assert.equal(bench.catalog.peek('dev'), undefined);
  assert.ok(bench.withChannels.lists.every(({ channel }) => channel === undefined));
  await numbersIn(bench, 'dev');
  assert.ok(bench.catalog.peek('dev')?.snapshot.get(uuidOf(1)));
});

test('a view that waits has every list, also while the newest is being saved', async (t) => {
  // Between a list's arrival and the end of its saving the list is known and the merged view is not yet made of it.
  const bench = await startBench(t);
  void bench.catalog.view('dev');
  for (let turns = 0; turns < 20; turns++) {
    assert.deepEqual(await numbersIn(bench, 'dev'), [1, 3], `after ${turns} turns`);
    await turn();
  }
});
