/** Wires the rooms together. Builds, never listens; what it returns is closed by its caller. */
import type { FastifyInstance } from 'fastify';
import { createDigester } from './blobs/digester.ts';
import { createEviction } from './blobs/eviction.ts';
import { footprintOf } from './blobs/footprint.ts';
import { createSpaceKeeper, type SpaceKeeper } from './blobs/reservation.ts';
import { createBlobStore } from './blobs/store.ts';
import { measureUse } from './blobs/upkeep.ts';
import { createCatalog, type Catalog } from './catalog/catalog.ts';
import { createLookupBudget } from './catalog/lookup-budget.ts';
import { createResolver } from './catalog/resolve.ts';
import type { Log } from './config/log.ts';
import { PRODUCT } from './config/product.ts';
import type { Config } from './config/schema.ts';
import { createIcons } from './downloads/icons.ts';
import { healthyFirst } from './downloads/healthy-first.ts';
import { createDownloads, type Downloads } from './downloads/registry.ts';
import { createClientGate } from './http/client-gate.ts';
import { createCompressor } from './http/compress.ts';
import { drainServer } from './http/drain.ts';
import { createJsonSender } from './http/json-reply.ts';
import { channelsRoute } from './http/routes/channels.ts';
import { healthRoute } from './http/routes/health.ts';
import { imageFileRoute } from './http/routes/image-file.ts';
import { imageIconRoute } from './http/routes/image-icon.ts';
import { imageRoute } from './http/routes/image.ts';
import { imagesRoute } from './http/routes/images.ts';
import { metricsRoute } from './http/routes/metrics.ts';
import { pingRoute } from './http/routes/ping.ts';
import { trackSilentConnections } from './http/silent-connections.ts';
import { createServer, type FinishedRequest } from './http/server.ts';
import { createSecureServers, type TlsPair } from './http/tls.ts';
import { MirrorError } from './imgapi/errors.ts';
import { registerGauges } from './metrics/gauges.ts';
import { createMetrics, type Metrics } from './metrics/metrics.ts';
import { countRequest, meterHttpClient } from './metrics/meters.ts';
import { createKeeper } from './records/keeper.ts';
import { createImageIndex } from './records/image-index.ts';
import { createKeptManifests } from './records/kept-manifests.ts';
import { createRecords, type RecordsStore } from './records/records.ts';
import { createClockCheck, type ClockCheck } from './upstream/clock-check.ts';
import { guardUpstream, watchHttpClient } from './upstream/guarded-upstream.ts';
import { createUpstreamHealth, HEALTH_KINDS, type UpstreamHealth } from './upstream/health.ts';
import { createHttpClient } from './upstream/http-client.ts';
import { createImgapiUpstream } from './upstream/imgapi-upstream.ts';
import type { Upstream } from './upstream/upstream.ts';
import { createVia } from './upstream/via.ts';

export interface AppDeps {
  readonly log: Log;
  /** Where the records are kept; closed with the app. */
  readonly recordsStore: RecordsStore;
  /** PEM text of each upstream's `caFile`, by the upstream's name. */
  readonly caOf: (upstream: string) => string | undefined;
  /** Serves HTTPS in place of HTTP; checked by the caller. */
  readonly tls?: TlsPair | undefined;
  readonly hostname: string;
  readonly nodeVersion: string;
  /** ms since the epoch. */
  readonly now: () => number;
  /** ms, from any origin, never going back. */
  readonly monotonicNow: () => number;
  /** [0, 1) */
  readonly random: () => number;
}

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
  const { dir, maxBytes, minFreeBytes, finishAbandoned } = config.cache;
  const metrics = createMetrics({
    version: PRODUCT.version,
    nodeVersion: deps.nodeVersion,
    upstreams: config.upstreams.map(({ name }) => name),
  });

  /** What is in force of the keys that a reload applies; the others are read once, here. */
  let live = config;
  metrics.configReloadedAt.set(now() / 1000);
  const clocks = createClockCheck({ log, now });

  const via = createVia();
  const healths = new Map(config.upstreams.map(({ name }) => [name, createHealth(name, deps, metrics)]));
  function healthOf(upstream: string): UpstreamHealth {
    const health = healths.get(upstream);
    if (health === undefined) throw new MirrorError('InternalError', `no upstream is named ${upstream}`);
    return health;
  }
  const upstreams = config.upstreams.map((upstream) =>
    createUpstream(config, upstream, deps, metrics, {
      product,
      clocks,
      via: via.headerFor(upstream.name),
      health: healthOf(upstream.name),
    }),
  );
  const records = createRecords({ store: deps.recordsStore, log });
  const imageIndex = createImageIndex(createKeptManifests({ log }, { dir }));
  const { kept } = imageIndex;
  const blobs = createBlobStore({ log }, { dir });
  const digester = createDigester();
  const scanned = Promise.withResolvers<void>();
  const stopScan = new AbortController();
  const space = createSpaceKeeper(
    {
      usedBytes: async (besides) => blobs.upkeep.usedBytes(besides),
      footprintOf,
      makeRoom: async (bytes, besides) => eviction.makeRoom(bytes, besides),
    },
    { dir, maxBytes, minFreeBytes },
  );
  const eviction = createEviction(
    {
      upkeep: blobs.upkeep,
      room: async () => space.room(),
      lastUse: async (sha1) => records.lastUse.get(sha1),
      isPinned: () => false,
      isRunning: (sha1) => downloads.progressOf(sha1) !== undefined,
      images: async () => imageIndex.images(),
      async forgetImage(uuid, isUnwanted) {
        keeper.forget(uuid);
        await kept.remove(uuid, isUnwanted);
      },
      onEvicted(reason, bytes) {
        metrics.evictions.inc({ reason });
        metrics.evictedBytes.inc({ reason }, bytes);
      },
      log,
      now,
    },
    { keepPartialsMs: config.cache.keepPartials, keepQuarantinedMs: config.cache.keepQuarantined },
  );

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
        // Until the store is counted nobody knows how much of maxBytes is left.
        space:
          maxBytes === null
            ? space
            : { ...space, reserve: async (bytes, sha1) => scanned.promise.then(() => space.reserve(bytes, sha1)) },
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

  const onFinished = (request: FinishedRequest): void => {
    countRequest(metrics, request);
    logRequest(log, request);
  };
  const gate = createClientGate({ onRefused: (reason) => metrics.refused.inc({ reason }) }, config.listen);
  const secure = deps.tls === undefined ? undefined : createSecureServers(deps.tls);
  const server = createServer(
    { log, monotonicNow, onFinished, gate, secure, loopThrough: (header) => via.upstreamIn(header) },
    {
      product,
      hostname: deps.hostname,
      get clientStallTimeoutMs() {
        return live.listen.clientStallTimeout;
      },
    },
  );
  const silent = trackSilentConnections(server.server);
  const sendJson = createJsonSender(createCompressor());
  pingRoute(server, { sendJson, product });
  channelsRoute(server, { sendJson, catalog });
  imagesRoute(server, { sendJson, catalog, resolver, now });
  imageRoute(server, { sendJson, catalog, resolver, now });
  imageFileRoute(server, {
    catalog,
    resolver,
    blobs,
    downloads,
    keeper,
    log,
    monotonicNow,
    get clientStallTimeoutMs() {
      return live.listen.clientStallTimeout;
    },
  });
  imageIconRoute(server, { catalog, resolver, icons });
  healthRoute(server, { sendJson, version: PRODUCT.version });
  if (config.metrics.enabled) {
    const { registry } = metrics;
    const text = async (): Promise<string> => {
      await updateGauges();
      return registry.metrics();
    };
    metricsRoute(server, { metrics: { contentType: registry.contentType, text } });
  }

  return {
    server,
    catalog,
    downloads,
    upstreams,
    space,
    async start() {
      await catalog.start();
      void blobs
        .scan(stopScan.signal)
        .catch((error: unknown) => log.error({ err: error, dir }, 'the store could not be counted'))
        .finally(() => {
          scanned.resolve();
          eviction.start();
        });
    },
    reload(next, tls) {
      live = next;
      gate.update(next.listen);
      if (tls !== undefined) secure?.update(tls);
      metrics.configReloads.inc({ result: 'ok' });
      metrics.configReloadedAt.set(now() / 1000);
    },
    reloadFailed: () => metrics.configReloads.inc({ result: 'failed' }),
    clockSkewMs: (upstream) => clocks.skewMs(upstream),
    async drain() {
      const { drainTimeout: drainMs } = live.listen;
      await drainServer(server, { drainMs, silent, secure, onLook: () => downloads.stopUnfollowed() });
    },
    async close() {
      stopScan.abort();
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

function createUpstream(
  config: Config,
  options: Config['upstreams'][number],
  deps: AppDeps,
  metrics: Metrics,
  around: {
    readonly product: string;
    readonly clocks: ClockCheck;
    readonly via: string;
    readonly health: UpstreamHealth;
  },
): Upstream {
  const { name, url } = options;
  const { product, clocks, via, health } = around;
  const http = createHttpClient({
    name,
    url,
    userAgent: product,
    headers: options.headers,
    ca: deps.caOf(name),
    insecure: options.insecure,
    connectTimeoutMs: options.connectTimeout,
    stallTimeoutMs: options.stallTimeout,
    proxy: options.proxy,
    allowAddresses: options.allowAddresses,
    allowRedirectsTo: options.allowRedirectsTo,
    via,
  });
  const metered = meterHttpClient(http, name, metrics, deps.monotonicNow);
  const upstream = createImgapiUpstream(
    { http: clocks.watch(name, watchHttpClient(metered, health)) },
    {
      name,
      url,
      channel: options.channel ?? undefined,
      maxDownloads: options.maxDownloads,
      jsonTimeoutMs: config.catalog.timeout,
      listMaxBytes: config.catalog.maxBytes,
    },
  );
  return guardUpstream(upstream, health);
}

function createHealth(name: string, { log, monotonicNow }: AppDeps, metrics: Metrics): UpstreamHealth {
  return createUpstreamHealth(
    {
      monotonicNow,
      onTransition(kind, to) {
        metrics.breakerTransitions.inc({ upstream: name, kind, to });
        if (to === 'open') log.warn({ upstream: name, kind }, 'upstream is failing: others are asked first');
        else log.info({ upstream: name, kind }, 'upstream is well again');
      },
    },
    { name },
  );
}

function logRequest(log: Log, request: FinishedRequest): void {
  const { requestId: reqId, seconds, isAborted, ...rest } = request;
  const line = { reqId, ...rest, durationMs: Math.round(seconds * 1000), ...(isAborted ? { aborted: true } : {}) };
  log.info(line, isAborted ? 'response aborted' : 'response finished');
}
