import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { createCatalog } from '../../../src/catalog/catalog.ts';
import { createLookupBudget } from '../../../src/catalog/lookup-budget.ts';
import { createResolver, type ResolveRequest, type Resolver } from '../../../src/catalog/resolve.ts';
import {
  carefree,
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
  readonly resolver: Resolver;
  readonly upstream: CatalogUpstream;
  readonly refused: string[];
}

/** One upstream that lists image 1, whose origin is image 2. A budget of three look-ups, at most two at once. */
async function startBench(t: TestContext): Promise<Bench> {
  const bench = catalogBench(t);
  const upstream = catalogUpstream('up0');
  upstream.onList = () => listOf([imageOf(1, { origin: uuidOf(2) })]);
  const now = (): number => bench.clock;
  const catalog = createCatalog(
    { ...bench, upstreams: [upstream], now, random: () => 0 },
    { refreshEveryMs: 3_600_000 },
  );
  await catalog.start();
  await catalog.refresh();
  const refused: string[] = [];
  const resolver = createResolver(
    {
      ...bench,
      ...carefree(),
      catalog,
      now,
      onNegative: () => undefined,
      budget: createLookupBudget({ monotonicNow: now }, { burst: 3, perSecond: 1 }),
      onRefused: (name) => refused.push(name),
    },
    { negativeTtlMs: 60_000, lookupFreshMs: 300_000, maxLookups: 2 },
  );
  t.after(async () => {
    resolver.close();
    await catalog.close();
  });
  return Object.assign(bench, { resolver, upstream, refused });
}

const ask = (n: number): ResolveRequest => ({ uuid: uuidOf(n), channel: undefined, requestId: 'r' });
const tooMany = { code: 'ServiceUnavailableError', message: /too many images that no list has/, isMeant: true };

async function spend({ resolver }: Bench): Promise<void> {
  for (const n of [91, 92, 93]) assert.deepEqual(await resolver.resolve(ask(n)), { kind: 'absent' });
}

test('above the budget an unlisted image is unknown at once, and nothing is remembered of it', async (t) => {
  const bench = await startBench(t);
  await spend(bench);
  await assert.rejects(bench.resolver.resolve(ask(94)), tooMany);
  assert.deepEqual([bench.upstream.manifests.length, bench.refused.length], [3, 1]);
  bench.clock += 1_000;
  assert.deepEqual(await bench.resolver.resolve(ask(94)), { kind: 'absent' });
});

test('an upstream that fails is no refusal of ours', async (t) => {
  const bench = await startBench(t);
  bench.upstream.onManifest = () => down('up0');
  await assert.rejects(bench.resolver.resolve(ask(91)), { code: 'ServiceUnavailableError', isMeant: false });
});

test('what was answered before, listed images and shared questions cost nothing', async (t) => {
  const bench = await startBench(t);
  await spend(bench);
  for (const n of [91, 92, 93]) assert.deepEqual(await bench.resolver.resolve(ask(n)), { kind: 'absent' });
  assert.equal((await bench.resolver.resolve(ask(1))).kind, 'found');
  assert.equal(bench.refused.length, 0);
});

test('origins are asked for above the budget: of listed, of kept and of looked-up images', async (t) => {
  const bench = await startBench(t);
  bench.kept.add(imageOf(3, { origin: uuidOf(4) }), 'up0');
  bench.upstream.onManifest = ({ uuid }) =>
    uuid === uuidOf(91) ? { kind: 'found', json: imageOf(91, { origin: uuidOf(5) }).json } : { kind: 'absent' };
  for (const n of [91, 92, 93]) await bench.resolver.resolve(ask(n));
  for (const n of [2, 4, 5]) assert.deepEqual(await bench.resolver.resolve(ask(n)), { kind: 'absent' }, `${n}`);
  await assert.rejects(bench.resolver.resolve(ask(6)), tooMany);
});

test('a kept image is served above the budget', async (t) => {
  const bench = await startBench(t);
  await spend(bench);
  bench.kept.add(imageOf(9), 'up0');
  const answer = await bench.resolver.resolve(ask(9));
  assert.ok(answer.kind === 'found' && answer.cache === 'STALE');
});

test('a flood of look-ups that hang keeps no origin from being asked for, nor a kept image from being served', async (t) => {
  const bench = await startBench(t);
  bench.kept.add(imageOf(9), 'up0');
  bench.upstream.onManifest = async ({ uuid }) => (uuid === uuidOf(2) ? { kind: 'absent' } : never());
  for (const n of [91, 92]) void bench.resolver.resolve(ask(n));
  await new Promise(setImmediate);
  await assert.rejects(bench.resolver.resolve(ask(93)), { message: /2 look-ups are under way/, isMeant: true });
  assert.equal((await bench.resolver.resolve(ask(9))).kind, 'found');
  assert.deepEqual(await bench.resolver.resolve(ask(2)), { kind: 'absent' });
});
