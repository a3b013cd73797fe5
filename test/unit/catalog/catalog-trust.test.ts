import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { createCatalog, type Catalog } from '../../../src/catalog/catalog.ts';
import { createResolver } from '../../../src/catalog/resolve.ts';
import { filesOf } from '../../support/manifest-of.ts';
import { until } from '../../support/wait-for.ts';
import { carefree, catalogBench, catalogUpstream, imageOf, listOf, uuidOf, type CatalogBench } from './fake-catalog.ts';

const A = imageOf(1, { files: filesOf('a') });
const B = imageOf(1, { files: filesOf('b') });

function createBench(t: TestContext) {
  const bench = catalogBench(t);
  const up = [catalogUpstream('up0'), catalogUpstream('up1')] as const;
  const now = (): number => bench.clock;
  const catalog = createCatalog({ ...bench, upstreams: up, now, random: () => 0 }, { refreshEveryMs: 3_600_000 });
  bench.onAccepted = () => catalog.reconsider();
  const resolver = createResolver(
    { ...bench, ...carefree(), catalog, now, onNegative: () => undefined },
    { negativeTtlMs: 60_000, lookupFreshMs: 60_000 },
  );
  t.after(async () => catalog.close());
  return { bench, up, catalog, resolver };
}

async function shown(catalog: Catalog): Promise<unknown> {
  return (await catalog.view(undefined)).snapshot.get(uuidOf(1))?.manifest.json;
}

const conflicts = (bench: CatalogBench): readonly string[] =>
  bench.trust.conflicts().flatMap(({ contradictedBy }) => contradictedBy.map(({ upstream }) => upstream));

test('the fastest upstream is not remembered before the first in precedence has had its say', async (t) => {
  const { bench, up, catalog } = createBench(t);
  const gate = Promise.withResolvers<void>();
  up[0].onList = async () => {
    await gate.promise;
    return listOf([A]);
  };
  up[1].onList = () => listOf([B]);
  await catalog.start();
  await until(() => catalog.peek(undefined) !== undefined);
  assert.equal(bench.trust.recall(uuidOf(1)), undefined);
  gate.resolve();
  assert.deepEqual(await shown(catalog), A.json);
  assert.deepEqual(conflicts(bench), ['up1']);
});

test('but what a client was shown before that stays', async (t) => {
  const { bench, up, catalog, resolver } = createBench(t);
  const gate = Promise.withResolvers<void>();
  up[0].onList = async () => {
    await gate.promise;
    return listOf([A]);
  };
  up[1].onList = () => listOf([B]);
  await catalog.start();
  await until(() => catalog.peek(undefined) !== undefined);
  await resolver.resolve({ uuid: uuidOf(1), channel: undefined, requestId: 'r' });
  gate.resolve();
  assert.deepEqual(await shown(catalog), B.json);
  assert.deepEqual(conflicts(bench), ['up0']);
});

test('what a look-up in another channel has told is in force, though the view has not been merged since', async (t) => {
  const { bench, up, catalog, resolver } = createBench(t);
  const gate = Promise.withResolvers<void>();
  up[0].onList = async () => {
    await gate.promise;
    return listOf([A]);
  };
  up[1].onList = () => listOf([B]);
  await catalog.start();
  await until(() => catalog.peek(undefined) !== undefined);
  await bench.trust.judge({ manifest: A, upstream: 'up0' });
  const found = await resolver.resolve({ uuid: uuidOf(1), channel: undefined, requestId: 'r' });
  gate.resolve();
  assert.deepEqual(found.kind === 'found' && found.entry.manifest.json, A.json);
});

test('an accepted change is in every view at once, though no list has changed', async (t) => {
  const { bench, up, catalog } = createBench(t);
  up[0].onList = () => listOf([A]);
  await catalog.start();
  assert.deepEqual(await shown(catalog), A.json);
  up[0].onList = () => listOf([B]);
  await catalog.refresh();
  assert.deepEqual([await shown(catalog), catalog.state().conflicts], [A.json, 1]);
  await bench.trust.accept(uuidOf(1));
  assert.deepEqual([await shown(catalog), catalog.state().conflicts], [B.json, 0]);
});

test('a list that is confirmed without having changed takes a conflict of an earlier run back', async (t) => {
  const { bench, up, catalog } = createBench(t);
  await bench.trust.judge({ manifest: A, upstream: 'up0' });
  await bench.trust.judge({ manifest: B, upstream: 'up0' });
  let asked = 0;
  up[0].onList = () => {
    asked += 1;
    return asked === 1 ? listOf([A], 'etag') : { kind: 'unchanged' };
  };
  await catalog.start();
  await catalog.refresh();
  assert.deepEqual(await shown(catalog), A.json);
  assert.equal(catalog.state().conflicts, 0);
});
