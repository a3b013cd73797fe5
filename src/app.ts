/** Wires the rooms together. Builds, never listens; what it returns is closed by its caller. */
import type { FastifyInstance } from 'fastify';
import type { AppDeps } from './app/deps.ts';
import { createDiskUse } from './app/disk-use.ts';
import { createHttp } from './app/http.ts';
import { createOperations } from './app/operations.ts';
import { createPinRoom } from './app/pins.ts';
import { createPrefetchRoom } from './app/prefetch.ts';
import { readinessOf } from './app/readiness.ts';
import { runningOf } from './app/running.ts';
import { createScrubRoom } from './app/scrub.ts';
import { createStorage } from './app/storage.ts';
import { createTraces, traceTransfers } from './app/traces.ts';
import { createUpstreams } from './app/upstreams.ts';
import type { SpaceKeeper } from './blobs/reservation.ts';
import { createKnownImages } from './catalog/known-images.ts';
import { createCachedOnly } from './catalog/cached-only.ts';
import { createCatalog, type Catalog } from './catalog/catalog.ts';
import { createListFilter } from './catalog/list-filter.ts';
import { createLookupBudget } from './catalog/lookup-budget.ts';
import { createResolver } from './catalog/resolve.ts';
import { PRODUCT } from './config/product.ts';
import { IMPORTED } from './config/reserved-names.ts';
import type { Config } from './config/schema.ts';
import { createIcons } from './downloads/icons.ts';
import { healthyFirst } from './downloads/healthy-first.ts';
import { createDownloads, type Downloads } from './downloads/registry.ts';
import { drainServer } from './http/drain.ts';
import { createSecureServers, type TlsPair } from './http/tls.ts';
import { MirrorError } from './imgapi/errors.ts';
import { registerGauges } from './metrics/gauges.ts';
import { countTransfers } from './metrics/meters.ts';
import { createMetrics } from './metrics/metrics.ts';
import { createPrefetchHolds } from './prefetch/holds.ts';
import { createKeeper } from './records/keeper.ts';
import { createImageIndex } from './records/image-index.ts';
import { createKeptChannels } from './records/kept-channels.ts';
import { createKeptManifests } from './records/kept-manifests.ts';
import { createRecords } from './records/records.ts';
import { createTrust, type Trust } from './trust/trust.ts';
import { keepWithTrust } from './trust/trusted-manifests.ts';
import { HEALTH_KINDS } from './upstream/health.ts';
import type { Operations } from './operations/verbs.ts';
import type { Upstream } from './upstream/upstream.ts';

export interface App {
  readonly server: FastifyInstance;
  readonly catalog: Catalog;
  readonly downloads: Downloads;
  readonly trust: Trust;
  readonly upstreams: readonly Upstream[];
  readonly space: SpaceKeeper;
  /** What operators can ask for; the API's are the same. */
  readonly operations: Operations;
  /**
   * Begins to refresh the catalog and to count what is stored. Resolves when saved lists are loaded.
   * @param mode `command`: nothing is begun that nobody asked for (default `serve`)
   */
  start(mode?: 'serve' | 'command'): Promise<void>;
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

/** What the disk does not tell a scrape in this time is shown as it was told last. */
const SCRAPE_WAIT_MS = 5;

export function createApp(config: Config, deps: AppDeps): App {
  const { log, now, monotonicNow, random } = deps;
  const product = `${PRODUCT.name}/${PRODUCT.version}`;
  const { dir } = config.cache;
  const metrics = createMetrics({
    version: PRODUCT.version,
    nodeVersion: deps.nodeVersion,
    upstreams: config.upstreams.map(({ name }) => name),
  });

  /** What is in force of the keys that a reload applies; the others are read once, here. */
  let live = config;
  metrics.configReloadedAt.set(now() / 1000);
  const traces = createTraces(deps);
  const upstreamRoom = createUpstreams(config, deps, metrics, product, traces?.upstreams);
  const { all: upstreams, healths, healthOf, bandwidths, clocks, via, loops } = upstreamRoom;
  const records = createRecords({ store: deps.recordsStore, log });
  const imageIndex = createImageIndex(createKeptManifests({ log }, { dir }));
  const trust = createTrust({
    records,
    kept: imageIndex.kept,
    upstreams: [...upstreams.map(({ name }) => name), IMPORTED],
    onAccepted(uuid) {
      metrics.trustAccepted.inc();
      // If it was imported, it is not what was imported any more.
      catalog.noteForgotten(uuid);
      catalog.reconsider();
    },
    log,
    now,
  });
  const kept = keepWithTrust(imageIndex.kept, (uuid) => trust.keptTrust(uuid));
  const pinRoom = createPinRoom(config, deps, {
    index: imageIndex,
    kept: () => kept,
    keeper: () => keeper,
    known: () => known,
    hasBlob: (sha1) => blobs.upkeep.has(sha1),
    isContradicted: (uuid) => trust.isContradicted(uuid),
    onForgotten: (uuid) => catalog.noteForgotten(uuid),
  });
  const holds = createPrefetchHolds();
  const storage = createStorage(
    config,
    deps,
    metrics,
    {
      lastUse: async (sha1) => records.lastUse.get(sha1),
      ...pinRoom.forEviction,
      isPinned: (sha1) => pinRoom.forEviction.isPinned(sha1) || holds.has(sha1),
      isRunning: (sha1) => downloads.progressOf(sha1) !== undefined,
      images: async () => imageIndex.images(),
    },
    () => live.cache,
  );
  const { blobs, digester, space, eviction } = storage;

  const catalog = createCatalog(
    {
      upstreams,
      records,
      kept,
      keptChannels: createKeptChannels({ log }, { dir }),
      isStored: async (sha1, size) => size === 0 || (await blobs.facts(sha1, size)) !== undefined,
      trust,
      filterList: createListFilter(config.upstreams),
      log,
      now,
      random,
    },
    {
      isOffline: config.offline,
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
      trust,
      log,
      now,
      healthOf,
      budget: createLookupBudget({ monotonicNow }),
      onRefused: (upstream) => metrics.lookupsRefused.inc({ upstream }),
      onNegative: () => metrics.cacheResults.inc({ kind: 'manifest', result: 'negative' }),
    },
    {
      isOffline: config.offline,
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
        onPassed: (result) => metrics.passed.inc({ result }),
        onAlone: () => metrics.passedAlone.inc(),
        ...traceTransfers(traces, countTransfers(metrics)),
      },
      {
        upstreams,
        get finishAbandoned() {
          return live.cache.finishAbandoned;
        },
      },
    ),
    { healthOf, log },
  );
  const upstreamOf = (name: string): Upstream | undefined => upstreams.find((upstream) => upstream.name === name);
  const icons = createIcons({ blobs, space: storage.countedSpace, kept, upstreamOf, log, now });
  const keeper = createKeeper({ kept, records, log, now });
  const scrubRoom = createScrubRoom(
    deps,
    metrics,
    { storage, records, images: async () => imageIndex.images(), resolver, catalog, downloads },
    () => live.cache.scrubEvery,
  );

  const diskUse = createDiskUse(storage, downloads, monotonicNow);
  const updateGauges = registerGauges(metrics.registry, {
    readiness: async () => readiness.state(SCRAPE_WAIT_MS),
    downloads: () => runningOf(downloads),
    storage: async () => ({
      ...blobs.totals(),
      ...space.limits(),
      ...(await diskUse(SCRAPE_WAIT_MS)),
      reservedBytes: space.reservedBytes(),
      evictionRanAtMs: eviction.lastRunAtMs,
    }),
    scrub: () => {
      const { isReading, succeededAtMs } = scrubRoom.scrub;
      return { isReading, succeededAtMs, everyMs: live.cache.scrubEvery };
    },
    certificateExpiresAtMs: () => secure?.expiresAtMs,
    prefetch: () => prefetchRoom.stats,
    negatives: () => records.negatives.count(),
    breakers: () =>
      [...healths].flatMap(([upstream, health]) =>
        HEALTH_KINDS.map((kind) => ({ upstream, kind, state: health.state(kind) })),
      ),
    bandwidths: () =>
      [...bandwidths].map(([upstream, { limit, throttledSeconds }]) => ({ upstream, limit, throttledSeconds })),
    catalog: () => {
      const state = catalog.state();
      const parts = state.upstreams.map(({ fetchedAtMs, hasAnswered, ...part }) => ({
        ...part,
        isUp: hasAnswered,
        ageSeconds: fetchedAtMs === undefined ? undefined : (now() - fetchedAtMs) / 1000,
      }));
      return { ...state, refreshEveryMs: live.catalog.refreshEvery, upstreams: parts };
    },
  });

  const known = createKnownImages({ catalog, index: imageIndex, log });
  const prefetchRoom = createPrefetchRoom(config, deps, {
    storage,
    known,
    facts: pinRoom.facts,
    resolver,
    catalog,
    downloads,
    keeper,
    icons,
    holds,
  });
  const readiness = readinessOf({
    dir,
    isOffline: config.offline,
    catalog,
    index: imageIndex,
    isStopping: () => stopping.signal.aborted,
    monotonicNow,
  });
  const operations = createOperations({
    config,
    deps,
    metrics,
    catalog,
    resolver,
    known,
    facts: pinRoom.facts,
    trust,
    storage,
    downloads,
    records,
    scrub: scrubRoom,
    upstreams: upstreamRoom,
    index: imageIndex,
    kept,
    keeper,
    pinRoom,
    prefetchRoom,
    readiness,
    diskUse,
  });

  const stopping = new AbortController();
  const stop = (): void => stopping.abort(new MirrorError('ShuttingDown', 'the mirror is shutting down'));
  const secure = deps.tls === undefined ? undefined : createSecureServers(deps.tls);
  const http = createHttp(
    {
      deps,
      product,
      metrics,
      catalog,
      resolver,
      blobs,
      downloads,
      keeper,
      operations,
      readiness,
      stopping: stopping.signal,
      icons,
      cachedOnly: createCachedOnly({
        hasBlob: (sha1) => blobs.upkeep.has(sha1),
        whenCounted: storage.whenCounted,
      }),
      via,
      onMirrorAsks: () => loops.suspect(),
      spans: traces?.requests,
      secure,
      updateGauges,
    },
    {
      get catalog() {
        return live.catalog;
      },
      isOffline: config.offline,
      isMetricsServed: config.metrics.enabled,
      get listen() {
        return live.listen;
      },
    },
  );
  const { server } = http;

  /** What nobody asked for begins when the store is counted: a start is over sooner, and counts come first. */
  async function startBackground(mode: 'serve' | 'command'): Promise<void> {
    await storage.whenCounted;
    if (stopping.signal.aborted) return;
    pinRoom.start();
    if (mode === 'command') return;
    scrubRoom.scrub.start();
    prefetchRoom.start();
  }

  return {
    server,
    catalog,
    downloads,
    trust,
    upstreams,
    space,
    operations,
    async start(mode = 'serve') {
      await Promise.all([catalog.start(mode), pinRoom.load()]);
      storage.start();
      const background = startBackground(mode);
      // What a command tells of the directory is to be all of it.
      if (mode === 'command') await Promise.all([background, catalog.noteImported()]);
    },
    reload(next, tls) {
      live = next;
      pinRoom.update(next);
      prefetchRoom.update(next);
      http.gate.update(next.listen);
      upstreamRoom.update(next);
      if (tls !== undefined) secure?.update(tls);
      metrics.configReloads.inc({ result: 'ok' });
      metrics.configReloadedOk.set(1);
      metrics.configReloadedAt.set(now() / 1000);
    },
    reloadFailed() {
      metrics.configReloads.inc({ result: 'failed' });
      metrics.configReloadedOk.set(0);
    },
    clockSkewMs: (upstream) => clocks.skewMs(upstream),
    async drain() {
      const { drainTimeout: drainMs } = live.listen;
      stop();
      // At once: what it follows would count as followed.
      await prefetchRoom.close();
      await drainServer(server, { drainMs, silent: http.silent, secure, onLook: () => downloads.stopUnfollowed() });
    },
    async close() {
      stop();
      storage.stop();
      await Promise.all([scrubRoom.close(), prefetchRoom.close()]);
      resolver.close();
      icons.close();
      await downloads.close();
      await eviction.close();
      await pinRoom.close();
      await keeper.close();
      await catalog.close();
      await Promise.all(upstreams.map(async (upstream) => upstream.close()));
      await digester.close();
      await trust.close();
      await records.close();
      await deps.tracing?.close();
    },
  };
}
