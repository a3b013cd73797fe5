import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { createCatalog } from '../../../src/catalog/catalog.ts';
import { createResolver, type ResolveRequest, type Resolver } from '../../../src/catalog/resolve.ts';
import { MirrorError } from '../../../src/imgapi/errors.ts';
import {
  carefree,
  catalogBench,
  catalogUpstream,
  down,
  imageOf,
  uuidOf,
  type CatalogBench,
  type CatalogUpstream,
} from './fake-catalog.ts';

interface Bench extends CatalogBench {
  readonly resolver: Resolver;
  readonly upstream: CatalogUpstream;
}

/** One upstream that lists nothing. */
async function startBench(t: TestContext): Promise<Bench> {
  const bench = catalogBench(t);
  const upstream = catalogUpstream('up0');
  upstream.onChannels = () => [{ name: 'dev' }, { name: 'release', default: true }];
  const now = (): number => bench.clock;
  const catalog = createCatalog(
    { ...bench, upstreams: [upstream], now, random: () => 0 },
    { refreshEveryMs: 3_600_000 },
  );
  await catalog.start();
  await catalog.refresh();
  const resolver = createResolver(
    { ...bench, catalog, now, onNegative: () => undefined, ...carefree() },
    { negativeTtlMs: 60_000, lookupFreshMs: 300_000 },
  );
  t.after(async () => {
    resolver.close();
    await catalog.close();
  });
  return Object.assign(bench, { resolver, upstream });
}

const ask = (n: number, channel?: string): ResolveRequest => ({ uuid: uuidOf(n), channel, requestId: 'r' });

test('a kept image is found as stale when its upstream cannot be asked', async (t) => {
  const bench = await startBench(t);
  bench.upstream.onManifest = () => down('up0');
  bench.kept.add(imageOf(9), 'up0', '2025-06-01T00:00:00.000Z');
  const answer = await bench.resolver.resolve(ask(9));
  assert.ok(answer.kind === 'found');
  assert.deepEqual([answer.cache, answer.entry.upstream], ['STALE', 'up0']);
  assert.equal(answer.fetchedAtMs, Date.parse('2025-06-01T00:00:00.000Z'));
});

test('a kept image that every upstream has dropped is still served by its uuid', async (t) => {
  const bench = await startBench(t);
  bench.kept.add(imageOf(9), 'up0');
  for (let times = 0; times < 2; times++) {
    const answer = await bench.resolver.resolve(ask(9));
    assert.ok(answer.kind === 'found' && answer.cache === 'STALE');
  }
});

test('an image kept after its absence was remembered is found', async (t) => {
  const bench = await startBench(t);
  assert.deepEqual(await bench.resolver.resolve(ask(9)), { kind: 'absent' });
  bench.kept.add(imageOf(9), 'up0');
  assert.equal((await bench.resolver.resolve(ask(9))).kind, 'found');
});

test('a kept image is seen in its own channels only', async (t) => {
  const bench = await startBench(t);
  bench.kept.add(imageOf(9, { channels: ['dev'] }), 'up0');
  assert.equal((await bench.resolver.resolve(ask(9, 'dev'))).kind, 'found');
  assert.equal((await bench.resolver.resolve(ask(9, '*'))).kind, 'found');
  assert.deepEqual(await bench.resolver.resolve(ask(9, 'release')), { kind: 'absent' });
});

test('a kept file that holds another image, or junk, is no answer', async (t) => {
  const bench = await startBench(t);
  bench.kept.byUuid.set(uuidOf(9), { upstream: 'up0', fetchedAt: '2026-01-01T00:00:00Z', manifest: imageOf(8).json });
  assert.deepEqual(await bench.resolver.resolve(ask(9)), { kind: 'absent' });
});

test('a storage error is an error, never an absence', async (t) => {
  const bench = await startBench(t);
  bench.kept.get = async () => {
    throw new MirrorError('InternalError', 'EIO');
  };
  await assert.rejects(bench.resolver.resolve(ask(9)), { code: 'ServiceUnavailableError' });
});

test('an image that was looked up once is found as stale long after, while its upstream cannot be asked', async (t) => {
  const bench = await startBench(t);
  bench.upstream.onManifest = () => ({ kind: 'found', json: imageOf(9).json });
  const fetchedAt = bench.clock;
  await bench.resolver.resolve(ask(9));
  bench.clock += 20 * 24 * 60 * 60_000;
  bench.upstream.onManifest = () => down('up0');
  const answer = await bench.resolver.resolve(ask(9));
  assert.ok(answer.kind === 'found');
  assert.deepEqual([answer.cache, answer.fetchedAtMs], ['STALE', fetchedAt]);
});

test('an image that was looked up and then dropped is absent once its upstream says so', async (t) => {
  const bench = await startBench(t);
  bench.upstream.onManifest = () => ({ kind: 'found', json: imageOf(9).json });
  await bench.resolver.resolve(ask(9));
  bench.clock += 300_001;
  bench.upstream.onManifest = () => ({ kind: 'absent' });
  assert.deepEqual(await bench.resolver.resolve(ask(9)), { kind: 'absent' });
});

test('a channel is asked for by name at an upstream that has it; one that nobody has is refused', async (t) => {
  const bench = await startBench(t);
  await bench.resolver.resolve(ask(9, 'dev'));
  assert.equal(bench.upstream.manifests[0]?.channel, 'dev');
  await assert.rejects(bench.resolver.resolve(ask(9, 'nope')), { code: 'ValidationFailed' });
});

test('an absence in one channel says nothing about another', async (t) => {
  const bench = await startBench(t);
  bench.upstream.onManifest = ({ channel }) =>
    channel === 'dev' ? { kind: 'found', json: imageOf(9).json } : { kind: 'absent' };
  assert.deepEqual(await bench.resolver.resolve(ask(9)), { kind: 'absent' });
  assert.equal((await bench.resolver.resolve(ask(9, 'dev'))).kind, 'found');
});

test('closing ends the questions that are under way', async (t) => {
  const bench = await startBench(t);
  bench.upstream.onManifest = async ({ signal }) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(new MirrorError('UpstreamUnavailable', 'given up')));
    });
  const asked = bench.resolver.resolve(ask(9));
  setImmediate(() => bench.resolver.close());
  await assert.rejects(asked, { code: 'ServiceUnavailableError', message: /given up/ });
});
