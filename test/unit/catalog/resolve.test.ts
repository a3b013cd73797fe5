import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { createCatalog, type Catalog } from '../../../src/catalog/catalog.ts';
import {
  createResolver,
  type ResolveRequest,
  type Resolver,
  type ResolverOptions,
} from '../../../src/catalog/resolve.ts';
import type { Manifest } from '../../../src/imgapi/manifest.ts';
import {
  carefree,
  catalogBench,
  catalogUpstream,
  down,
  imageOf,
  listOf,
  uuidOf,
  type CatalogBench,
  type CatalogUpstream,
} from './fake-catalog.ts';

interface Bench extends CatalogBench {
  readonly catalog: Catalog;
  readonly resolver: Resolver;
  readonly up0: CatalogUpstream;
  readonly up1: CatalogUpstream;
  /** Has nothing. */
  readonly up2: CatalogUpstream;
  /** How often a remembered absence was the answer. */
  negatives: number;
}

/** Image 1 is listed at up0, image 2 at up1; image 9 nowhere. */
async function startBench(t: TestContext, options: Partial<ResolverOptions> = {}): Promise<Bench> {
  const bench = catalogBench(t);
  const [up0, up1, up2] = [catalogUpstream('up0'), catalogUpstream('up1'), catalogUpstream('up2')];
  up0.onList = () => listOf([imageOf(1)]);
  up1.onList = () => listOf([imageOf(2)]);
  const now = (): number => bench.clock;
  const catalog = createCatalog(
    { ...bench, upstreams: [up0, up1, up2], now, random: () => 0 },
    { refreshEveryMs: 3_600_000 },
  );
  await catalog.start();
  // Shares the refreshes of the start and waits for their end: later ones are of the test's own making.
  await catalog.refresh();
  const whole: Bench = Object.assign(bench, { catalog, up0, up1, up2, negatives: 0, resolver: unset });
  const resolver = createResolver(
    { ...bench, catalog, now, onNegative: () => (whole.negatives += 1), ...carefree() },
    // A window no test waits for by accident.
    { negativeTtlMs: 60_000, lookupFreshMs: 300_000, precedenceWaitMs: 60_000, ...options },
  );
  t.after(async () => {
    resolver.close();
    await catalog.close();
  });
  return Object.assign(whole, { resolver });
}

const unset: Resolver = { resolve: () => Promise.reject(new Error('not yet')), close: () => undefined };
const ask = (n: number, channel?: string): ResolveRequest => ({ uuid: uuidOf(n), channel, requestId: `request-${n}` });
const found = (manifest: Manifest) => () => ({ kind: 'found', json: manifest.json }) as const;
const ofOwner = (owner: string): Manifest => imageOf(9, { owner });

/** The owner in the manifest tells which upstream's it is. */
async function ownerFound(bench: Bench): Promise<unknown> {
  const answer = await bench.resolver.resolve(ask(9));
  return answer.kind === 'found' ? [answer.entry.manifest.json['owner'], answer.entry.upstream] : answer;
}

test('a listed image is found without a question to anybody', async (t) => {
  const { resolver, up0, up1, clock } = await startBench(t);
  const answer = await resolver.resolve(ask(2));
  assert.ok(answer.kind === 'found');
  assert.deepEqual([answer.entry.upstream, answer.cache, answer.fetchedAtMs], ['up1', 'HIT', clock]);
  assert.deepEqual([up0.manifests.length, up1.manifests.length], [0, 0]);
});

test('of a stale catalog it is found as stale', async (t) => {
  const { resolver, catalog, up0 } = await startBench(t);
  up0.onList = () => down('up0');
  await catalog.refresh();
  const answer = await resolver.resolve(ask(2));
  assert.ok(answer.kind === 'found' && answer.cache === 'STALE');
});

test('an unlisted image, such as a disabled origin, is asked for at every upstream and remembered while it is fresh', async (t) => {
  const bench = await startBench(t);
  const { resolver, up0, up1 } = bench;
  up1.onManifest = found(imageOf(9, { state: 'disabled' }));
  const caches = [];
  for (const laterMs of [0, 299_999, 1]) {
    bench.clock += laterMs;
    const answer = await resolver.resolve(ask(9));
    caches.push(answer.kind === 'found' && answer.cache);
  }
  assert.deepEqual(caches, ['MISS', 'HIT', 'MISS']);
  assert.deepEqual([up0.manifests.length, up1.manifests.length], [2, 2]);
  assert.equal(up0.manifests[0]?.requestId, 'request-9');
});

test('an image without published_at, not yet activated, is found by its uuid', async (t) => {
  const bench = await startBench(t);
  const { published_at: _, ...json } = imageOf(9, { state: 'unactivated' }).json;
  bench.up0.onManifest = () => ({ kind: 'found', json });
  assert.equal((await bench.resolver.resolve(ask(9))).kind, 'found');
});

test('a look-up is for whom it was begun for, until somebody more urgent joins it', async (t) => {
  const { resolver, up0 } = await startBench(t);
  const priorities = (): unknown[] => up0.manifests.map(({ urgency }) => urgency?.priority);
  await resolver.resolve({ ...ask(6), priority: 'prefetch' });
  await resolver.resolve(ask(7));
  assert.deepEqual(priorities(), ['prefetch', 'demand']);
  const begun = resolver.resolve({ ...ask(8), priority: 'prefetch' });
  const joined = [resolver.resolve({ ...ask(8), priority: 'prefetch' }), resolver.resolve(ask(8))];
  await Promise.all([begun, ...joined]);
  assert.deepEqual(priorities(), ['prefetch', 'demand', 'demand']);
});

test('those who ask at the same time share one look-up', async (t) => {
  const { resolver, up0, up1 } = await startBench(t);
  up0.onManifest = found(imageOf(9));
  const answers = await Promise.all([resolver.resolve(ask(9)), resolver.resolve(ask(9)), resolver.resolve(ask(9))]);
  assert.deepEqual(
    answers.map((answer) => answer.kind === 'found' && answer.cache),
    ['MISS', 'JOIN', 'JOIN'],
  );
  assert.deepEqual([up0.manifests.length, up1.manifests.length], [1, 1]);
});

test('absent at every upstream is absent, and remembered', async (t) => {
  const bench = await startBench(t);
  assert.deepEqual(await bench.resolver.resolve(ask(9)), { kind: 'absent' });
  assert.deepEqual(await bench.resolver.resolve(ask(9)), { kind: 'absent' });
  assert.deepEqual([bench.up0.manifests.length, bench.up1.manifests.length, bench.negatives], [1, 1, 1]);
});

test('a remembered absence ends with the next good refresh', async (t) => {
  const bench = await startBench(t);
  await bench.resolver.resolve(ask(9));
  await bench.catalog.refresh();
  bench.up0.onManifest = found(imageOf(9));
  assert.equal((await bench.resolver.resolve(ask(9))).kind, 'found');
});

test('absent at one and unknown at the other is unknown: 503 with the reason, and nothing is remembered', async (t) => {
  const bench = await startBench(t);
  bench.up1.onManifest = () => down('up1');
  const expected = { code: 'ServiceUnavailableError', message: /upstream up1: ECONNREFUSED/ };
  await assert.rejects(bench.resolver.resolve(ask(9)), expected);
  await assert.rejects(bench.resolver.resolve(ask(9)), expected);
  assert.equal(bench.up0.manifests.length, 2);
  bench.up1.onManifest = () => ({ kind: 'absent' });
  assert.deepEqual(await bench.resolver.resolve(ask(9)), { kind: 'absent' });
});

test('an unknown never hides a found, and is not waited for once it is known to be unknown', async (t) => {
  const bench = await startBench(t);
  bench.up0.onManifest = () => down('up0');
  bench.up1.onManifest = found(ofOwner('second'));
  assert.deepEqual(await ownerFound(bench), ['second', 'up1']);
});

test('who comes after a found one in precedence is not waited for, though one before it is unknown', async (t) => {
  const bench = await startBench(t);
  bench.up0.onManifest = () => down('up0');
  bench.up1.onManifest = found(ofOwner('second'));
  bench.up2.onManifest = async ({ signal }) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason));
    });
  assert.deepEqual(await ownerFound(bench), ['second', 'up1']);
});

test('the higher in precedence wins within the window, though the lower was faster', async (t) => {
  const bench = await startBench(t);
  const gate = Promise.withResolvers<void>();
  bench.up0.onManifest = async () => {
    await gate.promise;
    return found(ofOwner('first'))();
  };
  bench.up1.onManifest = () => {
    setImmediate(gate.resolve);
    return found(ofOwner('second'))();
  };
  assert.deepEqual(await ownerFound(bench), ['first', 'up0']);
});

test('after the window the best that has answered wins, and who has not is given up', async (t) => {
  const bench = await startBench(t, { precedenceWaitMs: 20 });
  const stalled = Promise.withResolvers<never>();
  bench.up0.onManifest = async () => stalled.promise;
  bench.up1.onManifest = found(ofOwner('second'));
  assert.deepEqual(await ownerFound(bench), ['second', 'up1']);
  assert.equal(bench.up0.manifests[0]?.signal.aborted, true);
  stalled.reject(new Error('given up'));
});

test('a found that comes after the window is still a found', async (t) => {
  const bench = await startBench(t, { precedenceWaitMs: 5 });
  bench.up0.onManifest = async ({ signal }) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason));
    });
  bench.up1.onManifest = async () => {
    await new Promise((resolve) => {
      setTimeout(resolve, 40);
    });
    return found(ofOwner('late'))();
  };
  assert.deepEqual(await ownerFound(bench), ['late', 'up1']);
});

test('a manifest that is unsound is unknown, not absent', async (t) => {
  const bench = await startBench(t);
  bench.up0.onManifest = () => ({ kind: 'found', json: { uuid: uuidOf(9), files: 'none' } });
  await assert.rejects(bench.resolver.resolve(ask(9)), {
    code: 'ServiceUnavailableError',
    message: /unsound: .*files/,
  });
});

test('more look-ups at once than allowed are refused as unknown', async (t) => {
  const bench = await startBench(t, { maxLookups: 1 });
  const gate = Promise.withResolvers<void>();
  bench.up0.onManifest = async () => {
    await gate.promise;
    return found(imageOf(9))();
  };
  const [within, above] = [bench.resolver.resolve(ask(9)), bench.resolver.resolve(ask(10))];
  await assert.rejects(above, { code: 'ServiceUnavailableError', message: /1 look-ups/ });
  gate.resolve();
  // The excess alone is refused: a burst must not take down those that were within the limit.
  assert.equal((await within).kind, 'found');
});
