/** Wires the rooms together. Builds, never listens; what it returns is closed by its caller. */
import type { FastifyInstance } from 'fastify';
import type { AppDeps } from './app/deps.ts';
import { createHttp } from './app/http.ts';
import { createStorage } from './app/storage.ts';
import { createUpstreams } from './app/upstreams.ts';
import { measureUse } from './blobs/upkeep.ts';
import type { SpaceKeeper } from './blobs/reservation.ts';
import { createCatalog, type Catalog } from './catalog/catalog.ts';
import { createLookupBudget } from './catalog/lookup-budget.ts';
import { createResolver } from './catalog/resolve.ts';
import { PRODUCT } from './config/product.ts';
import type { Config } from './config/schema.ts';
import { createIcons } from './downloads/icons.ts';
import { healthyFirst } from './downloads/healthy-first.ts';
import { createDownloads, type Downloads } from './downloads/registry.ts';
import { drainServer } from './http/drain.ts';
import { createSecureServers, type TlsPair } from './http/tls.ts';
import { registerGauges } from './metrics/gauges.ts';
import { createMetrics } from './metrics/metrics.ts';
import { createKeeper } from './records/keeper.ts';
import { createImageIndex } from './records/image-index.ts';
import { createKeptManifests } from './records/kept-manifests.ts';
import { createRecords } from './records/records.ts';
import { HEALTH_KINDS } from './upstream/health.ts';
import type { Upstream } from './upstream/upstream.ts';

export interface App {
  readonly server: FastifyInstance;
  readonly catalog: Catalog;
  readonly downloads: Downloads;
  readonly upstreams: readonly Upstream[];
  readonly space: SpaceKeeper;
  /** Begins to refresh the catalog and to count what is stored. Resolves when saved lists are loaded. */
  start(): Promise<void>;
  /** Applies what a running mirror can take of a new configuration (`LIVE_KEYS`), and its certificate. */
  reload(next: Config, tls: TlsPair | undefined): void;
  /** Counts a reload that changed nothing because something is wrong. */
  reloadFailed(): void;
  /** How far this machine's clock is ahead of an upstream's, ms; undefined where none has told its time yet. */
  clockSkewMs(upstream: string): number | undefined;
  /** Stops accepting, gives up downloads nobody follows, and lets running responses end within `listen.drainTimeout`. */
  drain(): Promise<void>;
  /** Ends everything in order; to be drained first. */
  close(): Promise<void>;
}

export function createApp(config: Config, deps: AppDeps): App {
  const { log, now, monotonicNow, random } = deps;
  const product = `${PRODUCT.name}/${PRODUCT.version}`;
  const { dir, finishAbandoned } = config.cache;
  const metrics = createMetrics({
    version: PRODUCT.version,
    nodeVersion: deps.nodeVersion,
    upstreams: config.upstreams.map(({ name }) => name),
  });

  /** What is in force of the keys that a reload applies; the others are read once, here. */
  let live = config;
  metrics.configReloadedAt.set(now() / 1000);
  const { all: upstreams, healths, healthOf, clocks, via } = createUpstreams(config, deps, metrics, product);
  const records = createRecords({ store: deps.recordsStore, log });
  const imageIndex = createImageIndex(createKeptManifests({ log }, { dir }));
  const { kept } = imageIndex;
  const storage = createStorage(config, deps, metrics, {
    lastUse: async (sha1) => records.lastUse.get(sha1),
    isPinned: () => false,
    isRunning: (sha1) => downloads.progressOf(sha1) !== undefined,
    images: async () => imageIndex.images(),
    async forgetImage(uuid, isUnwanted) {
      keeper.forget(uuid);
      await kept.remove(uuid, isUnwanted);
    },
  });
  const { blobs, digester, space, eviction } = storage;

  const catalog = createCatalog(
    { upstreams, records, kept, log, now, random },
    {
      get refreshEveryMs() {
        return live.catalog.refreshEvery;
      },
    },
  );
  const resolver = createResolver(
    {
      catalog,
      records,
      kept,
      log,
      now,
      healthOf,
      budget: createLookupBudget({ monotonicNow }),
      onRefused: (upstream) => metrics.lookupsRefused.inc({ upstream }),
      onNegative: () => metrics.cacheResults.inc({ kind: 'manifest', result: 'negative' }),
    },
    {
      get negativeTtlMs() {
        return live.catalog.negativeTtl;
      },
      get lookupFreshMs() {
        return live.catalog.refreshEvery;
      },
    },
  );
  const downloads = healthyFirst(
    createDownloads(
      {
        blobs,
        space: storage.countedSpace,
        digester,
        log,
        now,
        random,
        onEnd({ result, seconds }) {
          metrics.downloads.inc({ result });
          metrics.downloadSeconds.observe(seconds);
          eviction.nudge();
        },
        onPassed: (isRight) => metrics.passed.inc({ result: isRight ? 'right' : 'failed' }),
      },
      { upstreams, finishAbandoned },
    ),
    { healthOf, log },
  );
  const upstreamOf = (name: string): Upstream | undefined => upstreams.find((upstream) => upstream.name === name);
  const icons = createIcons({ blobs, kept, upstreamOf, log, now });
  const keeper = createKeeper({ kept, records, log, now });

  const updateGauges = registerGauges(metrics.registry, {
    downloads: () => {
      const running = [...downloads.running];
      return { running: running.length, followers: running.reduce((sum, { followers }) => sum + followers, 0) };
    },
    storage: async () => ({
      ...blobs.totals(),
      ...space.limits(),
      freeBytes: await space.free(),
      reservedBytes: space.reservedBytes(),
      ...(await measureUse(blobs.upkeep)),
      evictionRanAtMs: eviction.lastRunAtMs,
    }),
    breakers: () =>
      [...healths].flatMap(([upstream, health]) =>
        HEALTH_KINDS.map((kind) => ({ upstream, kind, state: health.state(kind) })),
      ),
    catalog: () => {
      const state = catalog.state();
      const parts = state.upstreams.map(({ fetchedAtMs, problem, ...part }) => ({
        ...part,
        isUp: problem === undefined && part.refreshes.ok > 0,
        ageSeconds: fetchedAtMs === undefined ? undefined : (now() - fetchedAtMs) / 1000,
      }));
      return { ...state, upstreams: parts };
    },
  });

  const secure = deps.tls === undefined ? undefined : createSecureServers(deps.tls);
  const http = createHttp(
    { deps, product, metrics, catalog, resolver, blobs, downloads, keeper, icons, via, secure, updateGauges },
    {
      isMetricsServed: config.metrics.enabled,
      get listen() {
        return live.listen;
      },
    },
  );
  const { server } = http;

  return {
    server,
    catalog,
    downloads,
    upstreams,
    space,
    async start() {
      await catalog.start();
      storage.start();
    },
    reload(next, tls) {
      live = next;
      http.gate.update(next.listen);
      if (tls !== undefined) secure?.update(tls);
      metrics.configReloads.inc({ result: 'ok' });
      metrics.configReloadedAt.set(now() / 1000);
    },
    reloadFailed: () => metrics.configReloads.inc({ result: 'failed' }),
    clockSkewMs: (upstream) => clocks.skewMs(upstream),
    async drain() {
      const { drainTimeout: drainMs } = live.listen;
      await drainServer(server, { drainMs, silent: http.silent, secure, onLook: () => downloads.stopUnfollowed() });
    },
    async close() {
      storage.stop();
      resolver.close();
      icons.close();
      await downloads.close();
      await eviction.close();
      await keeper.close();
      await catalog.close();
      await Promise.all(upstreams.map(async (upstream) => upstream.close()));
      await digester.close();
      await records.close();
    },
  };
}
