import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createCatalog, type Catalog, type CatalogDeps, type CatalogOptions } from '../../../src/catalog/catalog.ts';
import { filesOf } from '../../support/manifest-of.ts';
import { until } from '../../support/wait-for.ts';
import {
  catalogBench,
  catalogUpstream,
  down,
  imageOf,
  listOf,
  never,
  uuidOf,
  type CatalogBench,
  type CatalogUpstream,
} from './fake-catalog.ts';

interface Bench extends CatalogBench {
  readonly catalog: Catalog;
  readonly up: CatalogUpstream[];
}

/** A catalog of two upstreams that refreshes when told to. */
function createBench(
  t: TestContext,
  { random = () => 0, ...options }: Partial<CatalogOptions & Pick<CatalogDeps, 'random'>> = {},
  store?: Map<string, unknown>,
): Bench {
  const bench = catalogBench(t, store);
  const up = [catalogUpstream('up0'), catalogUpstream('up1')];
  const catalog = createCatalog(
    { ...bench, upstreams: up, now: () => bench.clock, random },
    { refreshEveryMs: 3_600_000, firstWaitMs: 60_000, ...options },
  );
  t.after(async () => catalog.close());
  return Object.assign(bench, { catalog, up });
}

const first = (bench: Bench): CatalogUpstream => bench.up[0] ?? catalogUpstream('none');
const second = (bench: Bench): CatalogUpstream => bench.up[1] ?? catalogUpstream('none');
/** A refresh that begins while another is under way shares it: this one waits for those of the start to be over. */
const settled = async ({ catalog }: Bench): Promise<void> => catalog.refresh();
const uuidsOf = async ({ catalog }: Bench, channel?: string): Promise<string[]> =>
  (await catalog.view(channel)).snapshot.entries.map(({ manifest }) => manifest.uuid);

test('the first view waits for the first refresh of every upstream, and is current', async (t) => {
  const bench = createBench(t);
  const gate = Promise.withResolvers<void>();
  first(bench).onList = () => listOf([imageOf(1)]);
  second(bench).onList = async () => {
    await gate.promise;
    return listOf([imageOf(2)]);
  };
  await bench.catalog.start();
  const asked = uuidsOf(bench);
  gate.resolve();
  assert.deepEqual(await asked, [uuidOf(1), uuidOf(2)]);
  const view = await bench.catalog.view(undefined);
  assert.deepEqual([view.isStale, view.fetchedAtMs], [false, bench.clock]);
});

test('a list that does not come, or comes empty, is asked for again soon, one that has shrunk in its own time', async (t) => {
  const before = createBench(t);
  second(before).onList = () => listOf([imageOf(1), imageOf(2), imageOf(3)]);
  await before.catalog.start();
  await settled(before);

  // Of all the times it waits, a thousandth.
  const after = createBench(t, { refreshEveryMs: 1e9, random: () => -4.495 }, before.store);
  first(after).onList = () => down('up0');
  second(after).onList = () => listOf([imageOf(1)]);
  await after.catalog.start();
  await until(() => first(after).lists.length >= 6);
  assert.equal(after.catalog.state().upstreams[1]?.isHeld, true);
  assert.equal(second(after).lists.length, 1);

  const empty = createBench(t, { refreshEveryMs: 1e9, random: () => -4.495 }, before.store);
  await empty.catalog.start();
  await until(() => second(empty).lists.length >= 3);
  assert.equal(empty.catalog.state().upstreams[1]?.isHeld, true);
});

test('a view asked for before the start waits for it', async (t) => {
  const bench = createBench(t);
  first(bench).onList = () => listOf([imageOf(1)]);
  const asked = uuidsOf(bench);
  await bench.catalog.start();
  assert.deepEqual(await asked, [uuidOf(1)]);
});

test('when the first refresh takes too long the answer is 503 and says who has not answered', async (t) => {
  const bench = createBench(t, { firstWaitMs: 20 });
  first(bench).onList = never;
  second(bench).onList = never;
  await bench.catalog.start();
  await assert.rejects(bench.catalog.view(undefined), {
    code: 'ServiceUnavailableError',
    message: /upstream up0: no answer yet; upstream up1: no answer yet/,
  });
  // close() would wait for the fakes, which do not listen to the signal.
  t.mock.method(bench.catalog, 'close', async () => undefined);
});

test('when every upstream has failed the answer is 503 at once, with every reason', async (t) => {
  const bench = createBench(t);
  for (const upstream of bench.up) upstream.onList = () => down(upstream.name);
  await bench.catalog.start();
  await assert.rejects(bench.catalog.view(undefined), {
    code: 'ServiceUnavailableError',
    message: /upstream up0: ECONNREFUSED; upstream up1: ECONNREFUSED/,
  });
});

test('one upstream that is down hides nothing of the other; the view says that it is stale', async (t) => {
  const bench = createBench(t);
  first(bench).onList = () => down('up0');
  second(bench).onList = () => listOf([imageOf(2)]);
  await bench.catalog.start();
  assert.deepEqual(await uuidsOf(bench), [uuidOf(2)]);
  assert.equal((await bench.catalog.view(undefined)).isStale, true);
});

test('it heals by itself: a failed refresh is tried again soon', async (t) => {
  const bench = createBench(t, { refreshEveryMs: 10 });
  for (const upstream of bench.up) upstream.onList = () => down(upstream.name);
  await bench.catalog.start();
  await assert.rejects(bench.catalog.view(undefined));
  first(bench).onList = () => listOf([imageOf(1)]);
  second(bench).onList = () => listOf([imageOf(2)]);
  await until(async () => (await uuidsOf(bench)).length === 2);
  await until(async () => !(await bench.catalog.view(undefined)).isStale);
});

test('a refresh that fails later keeps the list, as stale, with the age of its oldest part', async (t) => {
  const bench = createBench(t);
  const startedAt = bench.clock;
  first(bench).onList = () => listOf([imageOf(1)]);
  second(bench).onList = () => listOf([imageOf(2)]);
  await bench.catalog.start();
  await settled(bench);
  bench.clock += 60_000;
  second(bench).onList = () => down('up1');
  await bench.catalog.refresh();
  const view = await bench.catalog.view(undefined);
  assert.deepEqual([view.isStale, view.fetchedAtMs, view.snapshot.size], [true, startedAt, 2]);
});

test('lists that did not change leave the snapshot as it is, so that its prepared bytes live on', async (t) => {
  const bench = createBench(t);
  first(bench).onList = ({ validators }) =>
    validators.etag === undefined ? listOf([imageOf(1)], 'a') : { kind: 'unchanged' };
  await bench.catalog.start();
  await settled(bench);
  const before = await bench.catalog.view(undefined);
  second(bench).onList = () => down('up1');
  bench.clock += 60_000;
  await bench.catalog.refresh();
  const after = await bench.catalog.view(undefined);
  assert.equal(after.snapshot, before.snapshot);
  assert.equal(after.fetchedAtMs, bench.clock);
});

test('the first upstream wins a disagreement, which is counted while it lasts and logged once', async (t) => {
  const bench = createBench(t);
  first(bench).onList = () => listOf([imageOf(1, { files: filesOf('one') })]);
  second(bench).onList = () => listOf([imageOf(1, { files: filesOf('two') })]);
  await bench.catalog.start();
  await settled(bench);
  await bench.catalog.refresh();
  const view = await bench.catalog.view(undefined);
  assert.equal(view.snapshot.get(uuidOf(1))?.upstream, 'up0');
  assert.equal(bench.catalog.state().conflicts, 1);
  assert.equal(bench.log.linesOf(/disagree/).length, 1);
  second(bench).onList = () => listOf([imageOf(1, { files: filesOf('one') })]);
  await bench.catalog.refresh();
  assert.equal(bench.catalog.state().conflicts, 0);
});

test('after a restart with every upstream down the saved lists are served at once, as stale', async (t) => {
  const before = createBench(t);
  first(before).onList = () => listOf([imageOf(1)]);
  second(before).onList = () => listOf([imageOf(2)]);
  await before.catalog.start();
  await uuidsOf(before);
  const after = createBench(t, {}, before.store);
  for (const upstream of after.up) upstream.onList = () => down(upstream.name);
  await after.catalog.start();
  assert.deepEqual(await uuidsOf(after), [uuidOf(1), uuidOf(2)]);
  assert.equal((await after.catalog.view(undefined)).isStale, true);
});

test('a snapshot from before the restart is served at once, though an upstream that was never reached hangs', async (t) => {
  // Issue 2: a refresh never blocks a request that has a snapshot.
  const before = createBench(t);
  first(before).onList = () => listOf([imageOf(1)]);
  second(before).onList = () => down('up1');
  await before.catalog.start();
  await uuidsOf(before);
  const gate = Promise.withResolvers<never>();
  const after = createBench(t, { firstWaitMs: 1_500 }, before.store);
  for (const upstream of after.up) upstream.onList = async () => gate.promise;
  await after.catalog.start();
  const outcome = await Promise.race([uuidsOf(after), sleep(700, 'it waited')]);
  gate.reject(new Error('over'));
  assert.deepEqual(outcome, [uuidOf(1)]);
});

test('without saved lists the images kept on disk are listed, each at its own upstream', async (t) => {
  const bench = createBench(t);
  for (const upstream of bench.up) upstream.onList = () => down(upstream.name);
  bench.kept.add(imageOf(1), 'up0');
  bench.kept.add(imageOf(2), 'up1');
  bench.kept.add(imageOf(3), 'gone');
  bench.kept.add(imageOf(4, { state: 'disabled' }), 'up0');
  await bench.catalog.start();
  const view = await bench.catalog.view(undefined);
  assert.deepEqual(
    view.snapshot.entries.map(({ manifest, upstream }) => [manifest.uuid, upstream]),
    [
      [uuidOf(1), 'up0'],
      [uuidOf(2), 'up1'],
    ],
  );
  assert.equal(view.isStale, true);
});

test('the age of a list made of kept images is that of what was fetched longest ago, not fifty years', async (t) => {
  const bench = createBench(t);
  for (const upstream of bench.up) upstream.onList = () => down(upstream.name);
  bench.kept.add(imageOf(1), 'up0', '2025-12-24T00:00:00.000Z');
  bench.kept.add(imageOf(2), 'up0', '2025-12-31T00:00:00.000Z');
  await bench.catalog.start();
  assert.equal((await bench.catalog.view(undefined)).fetchedAtMs, Date.parse('2025-12-24T00:00:00.000Z'));
});
